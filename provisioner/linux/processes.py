"""Identifies processes so that a reused pid is not mistaken for them; finds and kills processes.

In: pids, or the inode of a namespace.  Out: `Process` objects.  Names of processes are not read: only identity, descent
and namespaces decide.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

POLL = 0.01  # seconds


@dataclass(frozen=True)
class Process:
    """The identity of a process: pid, start time (proc_pid_stat(5), field 22: ticks since the boot) and boot id."""

    pid: int
    start: int
    boot: str


@cache
def boot_id() -> str:
    """Return the running kernel's boot id (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()


def read_process(pid: int) -> Process | None:
    """Return the identity of a running process, None if there is none or it is a zombie."""
    stat = _read_stat(pid)
    return None if stat is None or stat[0] in "ZX" else Process(pid, int(stat[19]), boot_id())


def clock_now() -> int:
    """Return the present time on the clock of start times: ticks since the boot."""
    return int(time.clock_gettime(time.CLOCK_BOOTTIME) * os.sysconf("SC_CLK_TCK"))


def is_alive(process: Process) -> bool:
    """Tell whether exactly this process still runs; a zombie does not."""
    return read_process(process.pid) == process


def has_live_task(process: Process) -> bool:
    """Tell whether a thread of exactly this process still runs: threads outlive a leader that is a zombie."""
    stat = _read_stat(process.pid)
    if stat is None or int(stat[19]) != process.start:
        return False
    with contextlib.suppress(OSError):
        for thread in os.listdir(f"/proc/{process.pid}/task"):
            if (stat := _read_stat(f"{process.pid}/task/{thread}")) and stat[0] not in "ZX":
                return True
    return False


def parent_of(process: Process) -> Process | None:
    """Return the parent of a process, None if either is gone."""
    stat = _read_stat(process.pid)
    return None if stat is None or int(stat[19]) != process.start else read_process(int(stat[1]))


def read_link(process: Process, name: str) -> str | None:
    """Return the target of a link in /proc/PID, None if it cannot be read or the process is gone."""
    try:
        text = os.readlink(f"/proc/{process.pid}/{name}")
    except OSError:
        return None
    return text if is_alive(process) else None


def find_in_netns(inode: int) -> list[Process]:
    """Return every process whose network namespace has this inode."""
    found = []
    for pid in _pids():
        with contextlib.suppress(OSError):
            if os.stat(f"/proc/{pid}/ns/net").st_ino == inode and (process := read_process(pid)):
                found.append(process)
    return found


def with_descendants(processes: Iterable[Process]) -> list[Process]:
    """Return those of the processes that still run, and all their descendants."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        if stat := _read_stat(pid):
            children.setdefault(int(stat[1]), []).append(pid)
    found: dict[int, Process] = {}
    waiting = [process for process in processes if is_alive(process)]
    while waiting:
        process = waiting.pop()
        if process.pid not in found:
            found[process.pid] = process
            waiting += [child for pid in children.get(process.pid, ()) if (child := read_process(pid))]
    return list(found.values())


def send_signal(process: Process, number: signal.Signals) -> None:
    """Signal exactly this process, or nothing."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        if is_alive(process):  # the pidfd pins the process that was just compared
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, number)
    finally:
        os.close(fd)


def wait_gone(processes: Iterable[Process], seconds: float) -> list[Process]:
    """Wait until the processes are gone; return those that still run after `seconds`."""
    deadline = time.monotonic() + seconds
    left = list(processes)
    while (left := [process for process in left if is_alive(process)]) and time.monotonic() < deadline:
        time.sleep(POLL)
    return left


def kill_all(processes: Iterable[Process], seconds: float = 5.0) -> list[Process]:
    """
    Kill processes by SIGKILL and wait until they are gone.

    Returns:
        Those that still exist after `seconds`.
    """
    doomed = list(processes)
    for process in doomed:
        send_signal(process, signal.SIGKILL)
    return wait_gone(doomed, seconds)


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read_stat(pid: int | str) -> list[str] | None:
    """Return the fields of stat after the command's name: [0] is the state, [1] the parent, [19] the start time."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    return text.rpartition(")")[2].split()
