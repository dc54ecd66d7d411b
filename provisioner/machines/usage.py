"""Knows who needs a machine to go on: the lab, which keeps what `provisioner up` started, or a session that uses it.

In: a lab and a machine's name.  Out: files in the lab's folder: NAME.kept while the lab keeps it, NAME.users locked
(shared) by each session that uses it, NAME.ready locked by whoever brings it up, changes it or stops it.  Called by
ready.py, verbs.py, stop.py and the command line.  Who ends first must not stop what another one needs; who ends last
must.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.deadlines import deadline
from provisioner.machines.find import find_orphans, known_machines
from provisioner.machines.lock import Busy, hold_lock

if TYPE_CHECKING:
    from provisioner.journal.run import Run
    from provisioner.machines.lab import Lab


@contextlib.contextmanager
def exclusive(lab: Lab, name: str, doing: str, seconds: float | None = None) -> Iterator[None]:
    """
    Be the only one who brings a machine up, changes it or stops it.

    Args:
        lab: its lab.
        name: its name.
        doing: what is done meanwhile: "start machine 'debian12'"; those who wait read it.
        seconds: to wait for another one; None for as long as that may need.

    Raises:
        Busy: another process is at it for longer.
    """
    wait = deadline("lab.wait") if seconds is None else seconds
    with hold_lock(lab.directory, doing, wait, f"{name}.ready"):
        yield


def keep(lab: Lab, name: str) -> None:
    """Let the lab have a machine: it outlives whoever started it."""
    _kept(lab, name).touch()


def release(lab: Lab, name: str) -> None:
    """Let the lab give a machine up: it goes with the last session that uses it."""
    _kept(lab, name).unlink(missing_ok=True)


@contextlib.contextmanager
def in_use(lab: Lab, name: str) -> Iterator[None]:
    """Let nobody else's end stop a machine during a `with` block; the kernel ends this with us."""
    fd = _open_users(lab, name)
    try:
        fcntl.flock(fd, fcntl.LOCK_SH)
        yield
    finally:
        os.close(fd)


def is_needed(lab: Lab, name: str) -> bool:
    """Tell whether the lab keeps a machine, or a session uses it."""
    if _kept(lab, name).exists():
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
    Stop a machine that nobody needs.

    One that another process is just bringing up or changing is that one's to stop.

    Raises:
        IsolationError: it does not stop.
    """
    try:
        with exclusive(lab, name, f"stop machine '{name}'", 0.0):
            stop_alone(lab, name, run)
    except Busy as busy:
        if busy.pid == os.getpid():  # a thread of ours that cannot be told to stop: its machine can
            stop_alone(lab, name, run)


def stop_alone(lab: Lab, name: str, run: Run) -> None:
    """As `stop_unneeded`, for one who is exclusive with it already; nothing is left of one that nobody knows."""
    known = name in lab.machines or any(spec.name == name for spec in find_orphans(lab))
    if known and not is_needed(lab, name):
        for machine in known_machines(lab, name, run):
            machine.down()


def take_down(lab: Lab, name: str, run: Run, destroy: bool = False) -> bool:
    """
    Stop a machine, whoever needs it.

    Args:
        lab: its lab.
        name: its name, or that of one that lab.yaml does not name any more.
        run: of this command.
        destroy: whether its disk and its snapshots go too.

    Returns:
        Whether there was anything to stop or to destroy.
    """
    with exclusive(lab, name, f"stop machine '{name}'"):
        found = known_machines(lab, name, run)
        before = [machine.status() for machine in found]
        release(lab, name)
        for machine in found:
            machine.down(destroy)
    return any(status == "running" or (destroy and status == "halted") for status in before)


def _kept(lab: Lab, name: str) -> Path:
    return lab.directory / f"{name}.kept"


def _open_users(lab: Lab, name: str) -> int:
    return os.open(lab.directory / f"{name}.users", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
