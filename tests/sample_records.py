"""Records for tests that need no sandbox.

In: nothing.  Out: `Record`s.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from provisioner.files.folder import Folder
from pytest_isolation.records.record import Record, save_record

UNSEEN = {"unobserved": "EACCES", "why": "nobody looked"}


def archived(record: Record, directory: Path) -> Path:
    """Save a record in a folder, and return its file."""
    with Folder.make(directory, 0o755) as folder:
        return directory / save_record(record, folder)


def blank(target: str = "docker", kind: str = "container") -> Record:
    """Return a record in which nothing was observed."""
    info: dict[str, Any] = {
        "id": target,
        "kind": kind,
        "class": "emulation" if kind == "vm" else kind,
        "runtime": target.rpartition("/")[2],
        "host": "local",
        "boundary": "process",
        "versions": {},
        "capabilities": None,
        "cannot": {},
        "conditions": {},
    }
    views = ("host", "inside", "outside", "vmm", "exec", "peer_inside", "peer_outside")
    return Record.model_validate(
        {"schema": 1, "run": "r1", "target": info, "loads": {}, "reaches": {}, **dict.fromkeys(views, UNSEEN)}
    )
