"""Lets one process at a time change a machine, and tells the others for whom they wait.

In: a folder, and what is about to be done.  Out: a context in which nobody else is in.  Called by providers for each
step, and by kept.py for all that one command does with a machine, in a file of its own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from provisioner.errors import IsolationError
from provisioner.progress import step

FILE = "lock"


class Busy(IsolationError):
    """
    Another one holds the lock.

    Args:
        what: as of IsolationError.
        pid: the holder's process; 0 when it has not said so yet.
    """

    def __init__(self, what: str, pid: int) -> None:
        super().__init__(what, hint="wait, or end it")
        self.pid = pid


@contextlib.contextmanager
def only_one(folder: Path, doing: str, seconds: float, file: str = FILE) -> Iterator[None]:
    """
    Hold a machine's lock.

    Args:
        folder: the machine's.
        doing: what is done meanwhile, such as "start machine 'debian12'"; those who wait read it.
        seconds: to wait for another one.
        file: its name in the folder; beside it stands who holds it.

    Raises:
        Busy: another process holds it for longer; says which, and what it does.
    """
    lock, holder = FileLock(folder / file), folder / f"{file}.holder"
    with contextlib.suppress(Timeout):
        lock.acquire(timeout=0)
    if not lock.is_locked:
        try:
            with step(f"wait for {_read_holder(holder)[1]}") if seconds else contextlib.nullcontext():
                lock.acquire(timeout=seconds)
        except Timeout:
            pid, who = _read_holder(holder)
            raise Busy(f"cannot {doing}: {who} holds it", pid) from None
    try:
        holder.write_text(f"{os.getpid()} {doing}")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()


def _read_holder(file: Path) -> tuple[int, str]:
    """Return who holds a lock, as a number and in words."""
    with contextlib.suppress(OSError, ValueError):
        pid, doing = file.read_text().split(" ", 1)
        return int(pid), f"process {int(pid)}, which is to {doing}"
    return 0, "another process"
