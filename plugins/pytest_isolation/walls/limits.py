"""Whether a limit that was asked for is shown, and in force under a real load.

In: a `Load`.  Out: why it is not in force, or None.  Pure.  Tolerances are those of CATALOGUE C.2.

`UnobservedFact` is raised where the load cannot tell: it never came near the limit, or something else ended it.
"""

from __future__ import annotations

import math
from typing import Any

from provisioner.facts.measured import Load
from provisioner.observed import Unobserved, UnobservedFact

MIB = 1 << 20
LARGEST_PAGE = 1 << 16  # memory.max is rounded down to whole pages, 64 KiB on some arm64 kernels
CPU_TOLERANCE = 1.10  # kselftest test_cpucg_max; 6 % measured over 2 s
CPU_REACHED = 0.5
ENDED_BY_LIMIT = ("signal SIGKILL", "end of stream")


def why_not_in_force(load: Load, name: str) -> str | None:
    """Say why the limit `name` ("memory", "cpu", "pids") is not in force, with what the runtime said of it."""
    why = {"memory": _memory, "cpu": _cpu, "pids": _pids}[name](load)
    if why is None:
        return None
    return f"{why}; with a warning: {load.warning}" if load.warning else f"{why}; silently"


def _memory(load: Load) -> str | None:
    asked = int(load.limit)
    steps = load.raw("steps_mib")
    if isinstance(steps, int) and (steps * MIB > asked or load.ended == "exit 0"):
        return f"it took {steps} MiB of {asked / MIB:.0f}"
    if load.shown is None:
        seen = _inside(load)
        if not 0.75 * asked <= seen <= asked:
            return f"{seen / MIB:.0f} MiB are seen inside, {asked / MIB:.0f} MiB were asked for"
    else:
        shown = load.shown.memory.limit
        if shown is None or not 0 <= asked - shown < LARGEST_PAGE:
            return f"the cgroup shows {_or_none(shown)} bytes, {asked} were asked for"
    if load.ended not in ENDED_BY_LIMIT:
        raise UnobservedFact("loads[memory]", "", f"the load ended by '{load.ended}' after {load.steps_mib} MiB")
    if load.shown is None:
        return None
    took = load.steps_mib * MIB
    if took < asked * 0.95 - 16 * MIB:
        raise UnobservedFact("loads[memory]", "", f"it was killed at {load.steps_mib} MiB, far below the limit")
    if not _rose(load, "memory", "oom_kills"):
        raise UnobservedFact("loads[memory]", "", "it was killed, and not by this limit: oom_kill did not rise")
    peak = _counter(load.raw("after"), "memory", "peak")
    return f"its cgroup held {peak} bytes at its peak" if peak is not None and peak > asked else None


def _cpu(load: Load) -> str | None:
    if load.shown is None:
        seen = _inside(load)
        if seen > max(1, math.ceil(load.limit)):
            return f"{seen:g} CPUs are seen inside, {load.limit:g} were asked for"
    else:
        quota, period = load.shown.cpu.quota_us, load.shown.cpu.period_us
        # runc rounds a quota to 10 ms for each second under systemd
        if quota is None or not period or abs(quota / period - load.limit) > 0.01 + 1e-6:
            return f"the cgroup shows a quota of {_or_none(quota)} in {period} us, {load.limit:g} CPUs were asked for"
    if not load.wall_us:
        raise UnobservedFact("loads[cpu]", "", f"the load measured no time; it ended by '{load.ended}'")
    used = load.cpu_us / load.wall_us
    if used > load.limit * CPU_TOLERANCE:
        return f"it used {used:.2f} CPUs of {load.limit:g}"
    if load.limit >= load.host_cpus:
        raise UnobservedFact("loads[cpu]", "", f"the host has {load.host_cpus} CPUs: {load.limit:g} bound nothing")
    if used < load.limit * CPU_REACHED:
        raise UnobservedFact("loads[cpu]", "", f"the load did not reach the limit: {used:.2f} of {load.limit:g} CPUs")
    if load.shown is not None and not _rose(load, "cpu", "nr_throttled"):
        raise UnobservedFact("loads[cpu]", "", "something else held it: nr_throttled did not rise")
    return None


def _pids(load: Load) -> str | None:
    asked = int(load.limit)
    children = load.raw("children")  # before what is shown: a root cgroup has no pids.max
    if isinstance(children, int) and children >= asked and load.raw("fork_error") == "ok":
        return f"{children} children came up under a limit of {asked} tasks"
    shown = _inside(load) if load.shown is None else load.shown.pids.limit
    if shown != asked:
        return f"a limit of {_or_none(shown)} tasks is shown, {asked} were asked for"
    if load.children >= asked or load.fork_error == "ok":
        return f"{load.children} children came up under a limit of {asked} tasks"
    if load.fork_error != "EAGAIN":
        raise UnobservedFact("loads[pids]", load.fork_error, f"fork failed otherwise after {load.children} children")
    if load.children < asked // 2:
        raise UnobservedFact("loads[pids]", "", f"fork failed after {load.children} of {asked}: by another bound")
    if load.shown is not None and not _rose(load, "pids", "refusals"):
        raise UnobservedFact("loads[pids]", "", "fork failed, and not by this limit: pids.events did not rise")
    return None


def _inside(load: Load) -> float:
    if load.inside is None:
        raise UnobservedFact("loads.inside", "", "neither the host nor the sandbox shows the limit")
    return load.inside


def _rose(load: Load, part: str, name: str) -> bool:
    """Whether a counter rose; True where it could not be read twice, for a cgroup may be gone with its sandbox."""
    before, after = _counter(load.raw("shown"), part, name), _counter(load.raw("after"), part, name)
    return before is None or after is None or after > before


def _counter(limits: Any, part: str, name: str) -> int | None:
    if limits is None or isinstance(limits, Unobserved):
        return None
    group = limits.raw(part)
    value = None if isinstance(group, Unobserved) else group.raw(name)
    return value if isinstance(value, int) else None


def _or_none(number: float | None) -> str:
    return "no limit" if number is None else f"{number:g}" if isinstance(number, float) else str(number)
