"""The state that one command saves for the next: machine.json in the machine's folder.

In: a path.  Out: a frozen `QemuState`, or None if the file is missing or invalid: then the machine gets a new disk.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner.files.atomic import write_whole


class QemuState(BaseModel):
    """
    From what a machine was made, and how it is reached.

    Args:
        box: the hash of the box that the disk is based on.
        base: which build of that box, as disk.identify returns it.
        whole: whether the machine has come up once; a machine that has not gets a new disk.
        hardware: the mark of the hardware that it runs with; "" while it does not run.
        port: the port on 127.0.0.1 that QEMU forwards to the machine's SSH; 0 while it starts.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    box: str
    base: str
    whole: bool = False
    hardware: str = ""
    port: int = Field(default=0, ge=0, lt=1 << 16)


def load_state(path: Path) -> QemuState | None:
    """Return the saved state, or None if it is missing or invalid."""
    try:
        return QemuState.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def save_state(path: Path, state: QemuState) -> None:
    """Write the state atomically."""
    write_whole(path, state.model_dump_json())
