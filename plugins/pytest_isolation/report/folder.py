"""Writes the folder of a report: facts/, results.json and index.html, all of them or none.

In: records and results.  Out: files.  An interrupt is held back meanwhile.
The name of a file of facts is a hash of its content, so new facts replace nothing; results.json and its page are put in
place when all is written, and then old facts are deleted.
The user names the folder, and root may write it: it is held by its descriptor, and no link below it is followed.
Whoever can set a link on the way to it must be able to write it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from provisioner.files.folder import Folder
from provisioner.interrupt.program import undoing
from pytest_isolation.policy.archived import NAME
from pytest_isolation.records.record import Record, save_record
from pytest_isolation.report.html import PAGE, render_html, write_page
from pytest_isolation.results.model import RESULTS, Results, dump_results

RECORD = re.compile(r"([0-9a-f]{64}|[A-Za-z0-9._+-]+-[0-9a-f]{12})\.json")  # of older versions, and of this one


def write_report(
    directory: Path, records: Iterable[Record], results: Results, clean: bool, policy: bytes | None = None
) -> None:
    """
    Write a report.

    Args:
        directory: the folder; it is made if it is missing.
        records: the records for facts/.
        results: the results.
        clean: whether to delete the facts of an older run.
        policy: the settings of the run, which travel with its facts; None to leave those that are there.

    Raises:
        IsolationError: this process is root, and another user can lead it elsewhere.
        OSError: a file cannot be written; the report of an older run is unchanged.
    """
    with (
        undoing("writing the report"),
        Folder.make(directory, None, shared=True) as folder,
        folder.make_folder("facts", None) as facts,
    ):
        if policy is not None:
            facts.write_whole(NAME, policy)
        kept = {save_record(record, facts) for record in records}
        _write_both(folder, results)
        for name in facts.names() if clean else ():
            if RECORD.fullmatch(name) and name not in kept:
                facts.delete(name)


def _write_both(folder: Folder, results: Results) -> None:
    """Write results.json and its page; a full disk fails before the first of them is replaced."""
    page, data = render_html(results).encode(), dump_results(results)
    with folder.writing_whole(PAGE, needed=len(page)) as file:
        file.write(page)
        file.flush()
        folder.write_whole(RESULTS, data)


def draw_again(directory: Path, results: Results) -> None:
    """Write the page of a report again; errors as `write_report`."""
    with undoing("writing the page"), Folder.open(directory, shared=True) as folder:
        write_page(results, folder)
