"""Ends the first process of a sandbox, and looks whether every other one ended with it.

In: a running Sandbox and what the host sees of it.  Out: one line for each process that outlived the first, and when.
Called by residue.py, which ends that sandbox anyway.  What survives is ended here; it would end by itself, too.

pid_namespaces(7): when the first process of a pid namespace ends, the kernel ends all others in it.  Where there is no
such namespace it is the runtime that must end what is left in the cgroup: runc and containerd's shim do (they signal
all of it when the configuration makes no pid namespace), a bare unshare(1) does not.
"""

from __future__ import annotations

import contextlib
import re
import signal
import time
from pathlib import Path

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts.document import Facts
from provisioner.linux.processes import (
    POLL,
    Process,
    clock_now,
    has_live_task,
    kill_all,
    parent_of,
    read_link,
    read_process,
    send_signal,
    with_descendants,
)
from provisioner.sandboxes.sandbox import Sandbox

ORPHANS = 3
SECONDS = 30  # after which they end by themselves
PATIENCE = 5.0  # seconds: a runtime needs a moment to signal what is in a cgroup


def end_first(sandbox: Sandbox, subject: Facts | None, vmm: Facts | None, host: Facts) -> tuple[list[str], int]:
    """
    Leave processes that were forked twice, end the first process, and wait for them.

    Args:
        sandbox: it.  subject, vmm: what the host sees of it; of a VM the hypervisor's process is the first.
        host: the host's own probe.

    Returns:
        A line for each process that is still there, with its threads, after `PATIENCE` seconds; and when the first was
        ended, in the clock of start times.

    Raises:
        IsolationError: they could not be seen, or the first could not be ended.
    """
    first = _hypervisor(vmm) if vmm is not None else _first(subject, host)
    members = with_descendants([first])
    if vmm is None:
        members = _with_orphans(sandbox, first, members)
    ended = clock_now()
    try:
        send_signal(first, signal.SIGKILL)
    except OSError as error:
        raise IsolationError(f"cannot end the first process of '{sandbox.name}': {error.strerror}") from None
    left = _wait(members)
    if first in left:
        raise IsolationError(f"cannot end the first process of '{sandbox.name}': it is still there")
    told = [_described(process) for process in left]
    kill_all(left)
    return told, ended


def _identified(facts: Facts) -> Process:
    """Return the process that the facts are of, as long as it runs."""
    process = read_process(facts.process.pid)
    if process is None or process.start != facts.process.raw("start_time"):
        raise IsolationError("cannot tell the first process: it is not there any more")
    return process


def _hypervisor(vmm: Facts) -> Process:
    return _identified(vmm)


def _first(subject: Facts | None, host: Facts) -> Process:
    """
    Return the topmost process above the subject in its own pid namespace: bubblewrap's, say, stands above it.

    In the host's namespace nothing above it is the sandbox's, and so it is the subject itself.
    """
    if subject is None:
        raise IsolationError("cannot tell the first process: the host does not see it")
    first = _identified(subject)
    own = read_link(first, "ns/pid")
    if own is None or own == f"pid:[{host.process.namespaces.raw('pid')}]":
        return first
    while (above := parent_of(first)) is not None and read_link(above, "ns/pid") == own:
        first = above
    return first


def _with_orphans(sandbox: Sandbox, first: Process, members: list[Process]) -> list[Process]:
    """Have the orphans made, and return them with the others; nothing is proven by those that nobody sees."""
    reply = sandbox.request("load", "orphans", str(ORPHANS), str(SECONDS), seconds=deadline("request"))
    told = re.search(rb"orphans (\d+) errno (\w+)", reply.data)
    if told is None or int(told[1]) != ORPHANS:
        said = told[2].decode() if told else reply.ended
        raise IsolationError(f"cannot leave processes in '{sandbox.name}': {said}")
    now = with_descendants([first])
    seen = sum(process not in members for process in now)
    if seen < ORPHANS:
        kill_all(now)
        raise IsolationError(f"cannot see the processes left in '{sandbox.name}': {seen} of {ORPHANS}")
    return now


def _wait(members: list[Process]) -> list[Process]:
    until = time.monotonic() + PATIENCE
    left = members
    while (left := [process for process in left if has_live_task(process)]) and time.monotonic() < until:
        time.sleep(POLL)
    return left


def _described(process: Process) -> str:
    name = ""
    with contextlib.suppress(OSError):
        name = Path(f"/proc/{process.pid}/comm").read_text(errors="backslashreplace").strip()
    return f"process {process.pid} ({name})"
