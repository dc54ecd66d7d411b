"""What the provider qemu remembers of a machine between two commands: machine.json in the machine's folder.

In: a path.  Out: a frozen `Made`, or None.  Called by qemu_disk.py.  Garbage is as good as nothing: then the
machine begins anew.
"""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from provisioner.files.atomic import write_whole


class Made(BaseModel):
    """
    How a machine was made, and how it is reached.

    Args:
        box: the hash of the box that its disk lies on.
        base: which build of that box: see qemu_disk.identify.
        whole: whether it has come up once; one whose first boot was cut off begins anew.
        hardware: the mark of what it runs with; "" while it does not run.
        port: where QEMU forwards to its SSH; 0 while it is being started.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    box: str
    base: str
    whole: bool = False
    hardware: str = ""
    port: int = Field(default=0, ge=0, lt=1 << 16)


def load_made(path: Path) -> Made | None:
    """Read it; None where there is none, or what is there is not one."""
    try:
        return Made.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None


def save_made(path: Path, made: Made) -> None:
    """Write it, whole or not at all."""
    write_whole(path, made.model_dump_json())
