"""Lets one process at a time change a machine, and tells the others for whom they wait.

In: a folder, and what is about to be done.  Out: a context in which nobody else is in.  Called by providers.
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
HOLDER = "lock.holder"


@contextlib.contextmanager
def only_one(folder: Path, doing: str, seconds: float) -> Iterator[None]:
    """
    Hold a machine's lock.

    Args:
        folder: the machine's.
        doing: what is done meanwhile, such as "start machine 'debian12'"; those who wait read it.
        seconds: to wait for another one.

    Raises:
        IsolationError: another process holds it for longer; says which, and what it does.
    """
    lock = FileLock(folder / FILE)
    with contextlib.suppress(Timeout):
        lock.acquire(timeout=0)
    if not lock.is_locked:
        holder = _read_holder(folder)
        try:
            with step(f"wait for {holder}"):
                lock.acquire(timeout=seconds)
        except Timeout:
            raise IsolationError(f"cannot {doing}: {_read_holder(folder)} holds it", hint="wait, or end it") from None
    try:
        (folder / HOLDER).write_text(f"process {os.getpid()}, which is to {doing}")
        yield
    finally:
        (folder / HOLDER).unlink(missing_ok=True)
        lock.release()


def _read_holder(folder: Path) -> str:
    try:
        return (folder / HOLDER).read_text() or "another process"
    except OSError:
        return "another process"
