"""The memory limit: bytes, swap included."""

from __future__ import annotations

import re
from typing import Any

from provisioner.errors import UnobservedFact
from provisioner.limits.cgroup import CgroupFile, CgroupSetting
from provisioner.limits.limit import Limit
from provisioner.limits.measured import (
    DEADLINE,
    LoadBase,
    amount_inside,
    counter,
    counter_rose,
    measured_number,
    or_none,
)
from provisioner.limits.starving import why_late
from provisioner.observed import Fact, Number, Observed, since_schema

MIB = 1 << 20
# as of docker-run(1) and podman-run(1), "m" is a binary unit; kubernetes' "Mi" and the SI's "MB" are accepted too
UNITS = {
    "b": 1,
    **{f"{letter}{end}": 1024**power for power, letter in enumerate("kmgt", 1) for end in ("", "i", "ib")},
    **{f"{letter}b": 1000**power for power, letter in enumerate("kmgt", 1)},
}
OVERLOAD = 1.25
LARGEST_PAGE = 1 << 16  # memory.max is rounded down to whole pages, 64 KiB on some arm64 kernels
ENDED_BY_LIMIT = ("signal SIGKILL", "end of stream")
VISIBLE = 0.75  # of a VM's memory: the kernel keeps the rest for itself
REACHED = 0.95
SLACK = 16 * MIB  # what the probe itself holds


class MemoryLimit(Observed):
    """
    Bytes; `limit` None: no limit.  memory.max, memory.current, memory.peak, memory.events oom_kill, and v1's.

    `oom_kill_disable` is 1 where memory.oom_control of v1 has the OOM killer off, None on v2.
    `oom_group` is 1 where a kill takes the whole cgroup: memory.oom.group of v2, None on v1.
    """

    limit: Fact[Number | None]
    usage: Fact[Number]
    peak: Fact[Number | None]
    oom_kills: Fact[Number | None]
    oom_kill_disable: Fact[Number | None] = since_schema()
    oom_group: Fact[Number | None] = since_schema()


class MemoryLoad(LoadBase):
    """The load touches the limit and a quarter more, 1 MiB at a time; `steps_mib` is how much it touched."""

    steps_mib: Fact[Number]


class Memory(Limit[MemoryLoad]):
    """memory.max and memory.swap.max of cgroup v2, memory.limit_in_bytes and memory.memsw.* of v1."""

    name = argument = "memory"
    unit = "bytes"
    units = UNITS
    example = "64MiB, 1GiB or 67108864"
    rank = 10
    amount = 64 * MIB
    pushed = 1024 * MIB
    section = MemoryLimit
    always_in_facts = True
    resource = "memory"
    load = MemoryLoad
    shown_inside = ("limits.memory.limit", "system.memory_total")
    # pages of pipes are charged since Linux 4.5 (cgroup-v2.rst, memory.stat: kernel), and on v1 too
    ways = ("anonymous", "memfd", "sysv", "tmpfs", "pipes", "sockets")

    def show_amount(self, amount: float) -> str:
        return f"{round(amount / MIB, 2):.10g}MiB"

    def template_values(self, amount: int) -> dict[str, object]:
        return {"bytes": amount, "mib": amount // MIB}

    def cgroup_setting(self, amount: int) -> CgroupSetting:
        v1 = CgroupFile("memory.limit_in_bytes", str(amount))
        v1_with_swap = CgroupFile("memory.memsw.limit_in_bytes", str(amount), optional=True)
        v2 = CgroupFile("memory.max", str(amount))
        v2_swap = CgroupFile("memory.swap.max", "0", optional=True)
        return CgroupSetting(self.argument, "memory", (v1, v1_with_swap), (v2, v2_swap))

    def load_argv(self, amount: int, host_cpus: int) -> tuple[str, ...]:
        return self.push_argv(int(amount * OVERLOAD), host_cpus)

    def push_argv(self, pushed: int, host_cpus: int) -> tuple[str, ...]:
        return ("load", "memory", str(pushed))

    def read_load(self, output: bytes, host_cpus: int) -> dict[str, Any]:
        steps = re.findall(rb"^step (\d+)$", output, re.MULTILINE)
        return {"steps_mib": int(steps[-1]) if steps else 0}

    def used(self, load: MemoryLoad) -> float | None:
        """Return what the cgroup held at its peak, or what the load touched if that is more or all that is known."""
        touched, peak = measured_number(load, "steps_mib"), counter(load.raw("after"), "memory", "peak")
        known = [amount for amount in (touched and touched * MIB, peak) if amount is not None]
        return max(known, default=None)

    def show_used(self, load: MemoryLoad, used: float) -> str:
        taken = {"signal SIGKILL": ", and the kernel killed the load alone", "end of stream": ", and the sandbox ended"}
        return super().show_used(load, used) + taken.get(load.ended, "")

    def why_not_in_force(self, load: MemoryLoad) -> str | None:
        """Not in force: more was touched, another limit is shown, or the cgroup's peak is above the limit."""
        asked = int(load.limit)
        steps = load.raw("steps_mib")
        if isinstance(steps, int) and (steps * MIB > asked or load.ended == "exit 0"):
            return f"it took {steps} MiB of {asked / MIB:.0f}"
        if why := _why_not_shown(load, asked):
            return why
        if load.ended == DEADLINE:
            raise UnobservedFact("loads[memory]", "", why_late(load, f"took {load.steps_mib} MiB"))
        if load.ended not in ENDED_BY_LIMIT:
            raise UnobservedFact("loads[memory]", "", f"the load ended by '{load.ended}' after {load.steps_mib} MiB")
        if load.shown is None:
            return None
        if load.steps_mib * MIB < asked * REACHED - SLACK:
            raise UnobservedFact("loads[memory]", "", f"it was killed at {load.steps_mib} MiB, far below the limit")
        if not counter_rose(load, "memory", "oom_kills"):
            raise UnobservedFact("loads[memory]", "", "it was killed, and not by this limit: oom_kill did not rise")
        peak = counter(load.raw("after"), "memory", "peak")
        return f"its cgroup held {peak} bytes at its peak" if peak is not None and peak > asked else None


def _why_not_shown(load: MemoryLoad, asked: int) -> str | None:
    if load.shown is None:
        seen = amount_inside(load)
        if not VISIBLE * asked <= seen <= asked:
            return f"{seen / MIB:.0f} MiB are seen inside, {asked / MIB:.0f} MiB were asked for"
        return None
    shown = load.shown.memory.limit
    if shown is None or not 0 <= asked - shown < LARGEST_PAGE:
        return f"the cgroup shows {or_none(shown)} bytes, {asked} were asked for"
    return None


LIMIT = Memory()
