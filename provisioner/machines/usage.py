"""Tracks who needs a machine: the lab, after `provisioner up`, or the sessions that use it.

In: a lab and a machine's name.  Out: files in the lab's folder: NAME.kept exists while the lab keeps the machine,
NAME.users is locked (shared) by each session that uses it, NAME.ready is locked by the process that starts, changes or
stops it.  A machine that is still needed is not stopped; the last session that needs it stops it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

from provisioner.deadlines import deadline
from provisioner.files.folder import Folder
from provisioner.machines.find import find_orphans, known_machines
from provisioner.machines.lock import Busy, hold_lock

if TYPE_CHECKING:
    from provisioner.journal.run import Run
    from provisioner.machines.lab import Lab


@contextlib.contextmanager
def exclusive(lab: Lab, name: str, doing: str, seconds: float | None = None) -> Iterator[None]:
    """
    Be the only process that starts, changes or stops a machine during a `with` block.

    Args:
        lab: the machine's lab.
        name: the machine's name.
        doing: what the caller does, such as "start machine 'debian12'"; shown to those who wait.
        seconds: how long to wait for another process; None for the deadline "lab.wait".

    Raises:
        Busy: another process still holds the lock.
    """
    wait = deadline("lab.wait") if seconds is None else seconds
    with hold_lock(lab.directory, doing, wait, f"{name}.ready"):
        yield


def keep(lab: Lab, name: str) -> None:
    """Keep a machine for the lab: it outlives the command that started it."""
    with Folder.open(lab.directory) as folder:
        os.close(folder.open_file(_kept(name), os.O_WRONLY | os.O_CREAT, 0o644))


def release(lab: Lab, name: str) -> None:
    """Stop keeping a machine for the lab: the last session that uses it stops it."""
    with Folder.open(lab.directory) as folder:
        folder.delete(_kept(name))


@contextlib.contextmanager
def in_use(lab: Lab, name: str) -> Iterator[None]:
    """Hold a shared lock so that other sessions do not stop the machine.  Released when this process exits."""
    fd = _open_users(lab, name)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


def is_needed(lab: Lab, name: str) -> bool:
    """Tell whether the lab keeps a machine, or a session uses it."""
    with Folder.open(lab.directory) as folder:
        if folder.status(_kept(name)):
            return True
    fd = _open_users(lab, name)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def stop_unneeded(lab: Lab, name: str, run: Run) -> None:
    """
    Stop a machine that nobody needs; a process that starts or changes it right now is left to stop it.

    Args:
        lab: the machine's lab.
        name: the machine's name.
        run: the journal of this command.

    Raises:
        IsolationError: the machine does not stop.
    """
    try:
        with exclusive(lab, name, f"stop machine '{name}'", 0.0):
            stop_unneeded_locked(lab, name, run)
    except Busy as busy:
        if busy.pid == os.getpid():  # a thread of this process holds the lock and cannot be interrupted
            stop_unneeded_locked(lab, name, run)


def stop_unneeded_locked(lab: Lab, name: str, run: Run) -> None:
    """
    Like stop_unneeded, but the caller holds the machine's lock.  Unknown machines are ignored.

    Args:
        lab: the machine's lab.
        name: the machine's name.
        run: the journal of this command.
    """
    known = name in lab.machines or any(spec.name == name for spec in find_orphans(lab))
    if known and not is_needed(lab, name):
        for machine in known_machines(lab, name, run):
            machine.down()


def take_down(lab: Lab, name: str, run: Run, destroy: bool = False) -> bool:
    """
    Stop a machine, even if it is needed.

    Args:
        lab: the machine's lab.
        name: the machine's name; lab.yaml need not name it any more.
        run: the journal of this command.
        destroy: whether to delete its disk and snapshots too.

    Returns:
        False if there was nothing to stop or to destroy.
    """
    with exclusive(lab, name, f"stop machine '{name}'"):
        machines = known_machines(lab, name, run)
        before = [machine.status() for machine in machines]
        release(lab, name)
        for machine in machines:
            machine.down(destroy)
    return any(status == "running" or (destroy and status == "halted") for status in before)


def _kept(name: str) -> str:
    return f"{name}.kept"


def _open_users(lab: Lab, name: str) -> int:
    with Folder.open(lab.directory) as folder:
        return folder.open_file(f"{name}.users", os.O_RDWR | os.O_CREAT, 0o600)
