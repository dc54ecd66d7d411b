"""Writes the folder of a report: facts/, results.json and index.html.

In: records and results.  Out: files, each whole or not at all.
The user names the folder, and root may write it: it is held by its descriptor, and no link below it is followed.
Whoever can set a link on the way to it must be able to write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from provisioner.files.folder import Folder
from pytest_isolation.records.record import Record, save_record
from pytest_isolation.report.html import write_page
from pytest_isolation.results.model import Results, write_results

RECORD = re.compile(r"[0-9a-f]{64}\.json")


def write_report(directory: Path, records: Iterable[Record], results: Results, clean: bool) -> None:
    """
    Write a report.

    Args:
        directory: the folder; it is made if it is missing.
        records: the records for facts/.
        results: the results.
        clean: whether to delete the facts of an older run.

    Raises:
        IsolationError: this process is root, and another user can lead it elsewhere.
        OSError: a file cannot be written.
    """
    with Folder.make(directory, None, shared=True) as folder:
        with folder.make_folder("facts", None) as facts:
            kept = {save_record(record, facts) for record in records}
            for name in facts.names() if clean else ():
                if RECORD.fullmatch(name) and name not in kept:
                    facts.delete(name)
        write_results(results, folder)
        write_page(results, folder)


def draw_again(directory: Path, results: Results) -> None:
    """Write the page of a report again; errors as `write_report`."""
    with Folder.open(directory, shared=True) as folder:
        write_page(results, folder)
