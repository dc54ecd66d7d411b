"""Whether a host survives a load if the limit that it is pushed against does not hold.

In: the probe's request for a load, and what the host has to spare.  Out: why the load is not pushed, or None.  Pure.
The load itself is capped too, by its own bounds and by resource limits (probe/loads/guard.c).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20
KEPT_MEMORY = 64 * MIB  # what is left to the host
KEPT_TASKS = 256
MEMINFO, LOADAVG = Path("/proc/meminfo"), Path("/proc/loadavg")
MOST_TASKS = (Path("/proc/sys/kernel/pid_max"), Path("/proc/sys/kernel/threads-max"))
# Of each load that takes memory or tasks: which of its arguments is the amount (docs/reference/protocol.md).
_MEMORY = {"memory": 0, "swap": 0, "core": 0, "fill": 1}
_TASKS = {"pids": 0}


@dataclass(frozen=True)
class Spare:
    """
    What a host has to spare; None where that is unknown.

    Attributes:
        memory: bytes that are available without swapping (proc_meminfo(5), MemAvailable).
        tasks: how many more tasks the kernel starts (proc_sys_kernel(5), pid_max and threads-max).
    """

    memory: int | None = None
    tasks: int | None = None


def read_spare(read: Callable[[Path], str]) -> Spare:
    """
    Return what a host has to spare.

    Args:
        read: returns the text of one of its files, "" if it cannot be read.
    """
    available = re.search(r"^MemAvailable: +(\d+) kB$", read(MEMINFO), re.MULTILINE)
    running = re.search(r"\d/(\d+) ", read(LOADAVG))
    most = [int(text) for path in MOST_TASKS if (text := read(path).strip()).isdecimal()]
    return Spare(
        memory=int(available[1]) * 1024 if available else None,
        tasks=min(most) - int(running[1]) if most and running else None,
    )


def why_not_pushed(argv: Sequence[str], spare: Spare) -> str | None:
    """
    Return why a load could hurt the host, or None.

    Args:
        argv: the probe's request: ("load", "memory", "83886080").
        spare: what the host has to spare.
    """
    kind = argv[1]
    memory = int(argv[2 + _MEMORY[kind]]) if kind in _MEMORY else 0
    if memory and spare.memory is not None and memory + KEPT_MEMORY > spare.memory:
        return _why(f"{memory // MIB} MiB", f"{spare.memory // MIB} MiB of memory")
    tasks = int(argv[2 + _TASKS[kind]]) if kind in _TASKS else 0
    if tasks and spare.tasks is not None and tasks + KEPT_TASKS > spare.tasks:
        return _why(f"{tasks} tasks", f"{spare.tasks} tasks")
    return None


def _why(taken: str, spare: str) -> str:
    return f"not pushed: a load of {taken} could hurt the host, which has {spare} to spare"
