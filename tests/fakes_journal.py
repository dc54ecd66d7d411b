"""Journals of dead runs, written line by line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from provisioner.linux.processes import boot_id

OWNER = {"owner": 0, "start": 0, "boot": boot_id()}


def lines(*documents: Any) -> bytes:
    """Return documents as the lines of a journal."""
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


def echo(number: int, file: Path) -> dict[str, Any]:
    """Return a record that is undone by adding its number to a file."""
    return {"made": number, "kind": "command", "values": ["sh", "-c", 'echo "$0" >>"$1"', str(number), str(file)]}


def undone(file: Path) -> list[str]:
    """Return the numbers of the records that were undone."""
    return file.read_text().split() if file.exists() else []


def journals(home: Path) -> list[str]:
    """Return the names of all that is in the folder of the journals."""
    return sorted(path.name for path in (home / "run" / "runs").iterdir())
