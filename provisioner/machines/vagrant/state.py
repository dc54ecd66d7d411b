"""The state that one command saves for the next: NAME.made in the lab's folder.

In: a lab's folder and a machine's name.  Out: a `VagrantState`, saved when the machine has come up.  A machine without
one never came up, or its start was interrupted.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from provisioner.files.atomic import write_whole
from provisioner.linux.processes import read_process


@dataclass(frozen=True)
class VagrantState:
    """
    From what a machine was made, and how it runs.

    Args:
        box: the name of its box in Vagrant.
        hardware: the mark of the hardware that it came up with last.
        vmm: the identity of its hypervisor's process then.
        address: the address that it was booted with; "" if it got one by DHCP.
    """

    box: str
    hardware: str
    vmm: str
    address: str


def identify(pid: int | None) -> str:
    """Return a process's identity, "" if there is no such process.  A pid alone is reused."""
    process = read_process(pid) if pid is not None else None
    return f"{process.pid} {process.start} {process.boot}" if process else ""


def state_file(directory: Path, name: str) -> Path:
    """Return the path of a machine's state."""
    return directory / f"{name}.made"


def load_state(directory: Path, name: str) -> VagrantState | None:
    """Return the saved state, or None if it is missing or invalid."""
    try:
        entry = json.loads(state_file(directory, name).read_text("utf-8"))
        return VagrantState(**{key: str(value) for key, value in entry.items()})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def save_state(directory: Path, name: str, state: VagrantState) -> None:
    """
    Write the state atomically.

    Args:
        directory: the lab's folder.
        name: the machine's name.
        state: the state.
    """
    write_whole(state_file(directory, name), json.dumps(asdict(state)))


def used_boxes(directory: Path) -> Iterator[str]:
    """Return the names of the boxes that the lab's machines were made from."""
    for file in directory.glob("*.made"):
        if state := load_state(directory, file.stem):
            yield state.box
