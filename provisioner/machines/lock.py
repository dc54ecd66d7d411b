"""Lets one process at a time change a machine, and tells those who wait which process holds the lock.

In: a folder, and what the caller is about to do.  Out: a context in which the caller holds the lock.  Providers lock
each step in the file `lock`; usage.py locks a whole command in a file of its own.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from provisioner.errors import IsolationError
from provisioner.files.folder import Folder
from provisioner.progress import step

FILE = "lock"
MODE = 0o711  # of a machine's folder: its hypervisor may run as another user
MAX_HOLDER = 1000  # bytes


class Busy(IsolationError):
    """
    Another process holds the lock.

    Args:
        what: the error message.
        pid: the holder's process; 0 if it is not known.
    """

    def __init__(self, what: str, pid: int) -> None:
        super().__init__(what, hint="wait, or end that process")
        self.pid = pid


@contextlib.contextmanager
def hold_lock(folder: Path, doing: str, seconds: float, file: str = FILE) -> Iterator[None]:
    """
    Hold a machine's lock during a `with` block.

    Args:
        folder: the machine's folder; it is made if it is missing.
        doing: what the caller does meanwhile, such as "start machine 'debian12'"; shown to those who wait.
        seconds: how long to wait for another holder.
        file: the lock file's name in the folder; the holder is written beside it.

    Raises:
        IsolationError: another user can change the folder.
        Busy: another process still holds the lock; names the process and what it does.
    """
    holder = f"{file}.holder"
    with Folder.make(folder, MODE) as held:
        lock = FileLock(folder / file)
        with contextlib.suppress(Timeout):
            lock.acquire(timeout=0)
        if not lock.is_locked:
            try:
                with step(f"wait for {_read_holder(held, holder)[1]}") if seconds else contextlib.nullcontext():
                    lock.acquire(timeout=seconds)
            except Timeout:
                pid, name = _read_holder(held, holder)
                raise Busy(f"cannot {doing}: the lock is held by {name}", pid) from None
        try:
            held.write_whole(holder, f"{os.getpid()} {doing}")
            yield
        finally:
            held.delete(holder)
            lock.release()


def _read_holder(folder: Folder, name: str) -> tuple[int, str]:
    """Return the pid of a lock's holder, and a description of it for messages."""
    with contextlib.suppress(OSError, ValueError):
        pid, doing = folder.read(name, MAX_HOLDER).decode(errors="replace").split(" ", 1)
        return int(pid), f"process {int(pid)} ({doing})"
    return 0, "another process"
