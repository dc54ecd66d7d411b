"""Ends the first process of a sandbox, and looks for processes that outlive it.

In: a running Sandbox and the host's view of it.  Out: one line for each survivor, and the time of the end.
Survivors are killed here; they would end by themselves after some seconds.

pid_namespaces(7): when the first process of a pid namespace ends, the kernel ends all others in it.  Without such a
namespace the runtime must end what is left in the cgroup: runc and containerd's shim do (they signal all processes when
the configuration makes no pid namespace), a bare unshare(1) does not.
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
SECONDS = 30  # after which orphans end by themselves
PATIENCE = 5.0  # seconds: a runtime needs a moment to signal the processes of a cgroup


def end_first(sandbox: Sandbox, subject: Facts | None, vmm: Facts | None, host: Facts) -> tuple[list[str], int]:
    """
    Start orphans in the sandbox, end its first process, and wait for the others to end.

    Args:
        sandbox: a running sandbox.
        subject: the host's view of its subject; None for a VM.
        vmm: the host's view of its hypervisor, which counts as a VM's first process; None for a container.
        host: the host's view of its own probe.

    Returns:
        A line for each process with a live thread after `PATIENCE` seconds, and the time when the first process was
        ended, in clock ticks since boot.

    Raises:
        IsolationError: the orphans cannot be seen, or the first process cannot be ended.
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
    lines = [_described(process) for process in left]
    kill_all(left)
    return lines, ended


def _identified(facts: Facts) -> Process:
    """Return the process that the facts describe, if it still runs."""
    process = read_process(facts.process.pid)
    if process is None or process.start != facts.process.raw("start_time"):
        raise IsolationError("cannot tell the first process: it is not there any more")
    return process


def _hypervisor(vmm: Facts) -> Process:
    return _identified(vmm)


def _first(subject: Facts | None, host: Facts) -> Process:
    """
    Return the topmost ancestor of the subject in the same pid namespace: bubblewrap has a process above it.

    In the host's pid namespace no ancestor is the sandbox's, so it is the subject itself.
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
    """Start orphans, and return them with the other members; an error if the host cannot see all of them."""
    reply = sandbox.request("load", "orphans", str(ORPHANS), str(SECONDS), seconds=deadline("request"))
    answer = re.search(rb"orphans (\d+) errno (\w+)", reply.data)
    if answer is None or int(answer[1]) != ORPHANS:
        why = answer[2].decode() if answer else reply.ended
        raise IsolationError(f"cannot leave processes in '{sandbox.name}': {why}")
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
        name = Path(f"/proc/{process.pid}/comm").read_text(encoding="utf-8", errors="backslashreplace").strip()
    return f"process {process.pid} ({name})"
