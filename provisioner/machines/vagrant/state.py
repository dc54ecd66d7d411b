"""Remembers of each machine of a lab's Vagrant what it was made from, and which process it became.

In: a lab's folder and a machine's name.  Out: a `Made`, kept in NAME.made from the moment that the machine has come up.
Called by vagrant.py; lookup.py looks for these files.  A machine without one was never up, or its start was cut off.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner.files.atomic import write_whole
from provisioner.linux.processes import read_process


@dataclass(frozen=True)
class Made:
    """
    How a machine was made.

    Args:
        box: the name of its box in Vagrant.
        hardware: the mark of what it had when it came up last.
        vmm: the identity of the process that it became then.
        address: that it was booted with; "" where it got one by DHCP.
    """

    box: str
    hardware: str
    vmm: str
    address: str


def identify(pid: int | None) -> str:
    """Return a process's identity, "" when there is none: a number alone is another one's some day."""
    process = read_process(pid) if pid is not None else None
    return f"{process.pid} {process.start} {process.boot}" if process else ""


def made_file(directory: Path, name: str) -> Path:
    return directory / f"{name}.made"


def load_made(directory: Path, name: str) -> Made | None:
    """Return what was remembered, None when nothing was, or garbage."""
    try:
        return Made(**{key: str(value) for key, value in json.loads(made_file(directory, name).read_text()).items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def save_made(directory: Path, name: str, made: Made) -> None:
    """Write it, whole or not at all."""
    write_whole(made_file(directory, name), json.dumps(asdict(made)))


def used_boxes(directory: Path) -> Iterator[str]:
    """Return the boxes that the lab's machines were made from."""
    for file in directory.glob("*.made"):
        if made := load_made(directory, file.stem):
            yield made.box
