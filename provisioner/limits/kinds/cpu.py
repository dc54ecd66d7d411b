"""The CPU quota: processors' worth of time, 0.5 is half of one."""

from __future__ import annotations

import math
import re
from typing import Any

from provisioner.errors import UnobservedFact
from provisioner.limits.cgroup import CgroupFile, CgroupSetting
from provisioner.limits.limit import Limit
from provisioner.limits.measured import (
    BUSY,
    CgroupFilesBase,
    LoadBase,
    amount_inside,
    counter,
    counter_rose,
    measured_number,
    or_none,
)
from provisioner.limits.starving import READY, ready_share, waited, was_held, window
from provisioner.observed import Fact, Number, Observed

PERIOD_US = 100_000
LEAST_QUOTA_US = 1000  # the kernel refuses less than a millisecond
SPINNERS = 2
SPIN_MS = 2000  # twenty periods of the default 100 ms (cgroup-v2.rst, cpu.max)
PRESSED = 0.85  # of its quota: a load that used less was starved by others
OVERLOAD = 1.25
TOLERANCE = 1.10  # kselftest test_cpucg_max; 6 % measured over 2 s
REACHED = 0.5
ROUNDING = 0.01 + 1e-6  # runc rounds a quota to 10 ms for each second under systemd


class CpuLimit(Observed):
    """Microseconds; `quota_us` None = no limit.  cpu.max, cpu.stat and v1's cpu.cfs_*, cpuacct.usage."""

    quota_us: Fact[Number | None]
    period_us: Fact[Number]
    usage_us: Fact[Number]
    nr_periods: Fact[Number]
    nr_throttled: Fact[Number]


class CpuLoad(LoadBase):
    """`cpu_us` is the processor time that `spinners` processes used, `wall_us` the time that they ran."""

    cpu_us: Fact[Number]
    wall_us: Fact[Number]
    spinners: Fact[Number]


class Cpu(Limit[CpuLoad]):
    """cpu.max of cgroup v2, cpu.cfs_quota_us and cpu.cfs_period_us of v1."""

    name = "cpu"
    argument = "cpus"
    unit = "processors"
    example = "0.5 or 2"
    number = float
    rank = 20
    amount = 0.25  # little enough to be reached on a busy host, which gives it no more without a weight of its own
    resource = "processors"
    section = CpuLimit
    always_in_facts = True
    load = CpuLoad
    shown_inside = ("system.cpus",)
    tries = 4
    word = "quota"

    def template_values(self, amount: float) -> dict[str, object]:
        return {"cpus": amount, "quota": int(amount * PERIOD_US), "period": PERIOD_US}

    def cgroup_setting(self, amount: float) -> CgroupSetting:
        quota = max(LEAST_QUOTA_US, round(amount * PERIOD_US))
        v1 = (CgroupFile("cpu.cfs_period_us", str(PERIOD_US)), CgroupFile("cpu.cfs_quota_us", str(quota)))
        return CgroupSetting(self.argument, "cpu", v1, (CgroupFile("cpu.max", f"{quota} {PERIOD_US}"),))

    def most_pushed(self, host_cpus: int) -> float:
        return 0.9 * host_cpus  # a load of all processors must be able to go beyond it

    def load_argv(self, amount: float, host_cpus: int) -> tuple[str, ...]:
        return self.push_argv(_spinners(host_cpus), host_cpus)

    def push_argv(self, pushed: float, host_cpus: int) -> tuple[str, ...]:
        return ("load", "cpu", str(math.ceil(pushed)), str(SPIN_MS))

    def again_argv(self, amount: float, host_cpus: int, attempt: int) -> tuple[str, ...]:
        return ("load", "cpu", str(_spinners(host_cpus)), str(SPIN_MS * window(attempt)))

    def read_load(self, output: bytes, host_cpus: int) -> dict[str, Any]:
        times = re.search(rb"cpu_us (\d+) wall_us (\d+)", output)
        measured = {"cpu_us": int(times[1]), "wall_us": int(times[2])} if times else {}
        return {"spinners": _spinners(host_cpus), **measured}

    def declared(self, files: CgroupFilesBase) -> float | None:
        quota: int | None = files.cpu.quota_us
        return None if quota is None else quota / files.cpu.period_us

    def processors(self, amount: float, host_cpus: int, attempt: int) -> float:
        return amount if attempt == 0 else host_cpus  # a repeated load has no other load of ours beside it

    def was_disturbed(self, load: CpuLoad) -> bool:
        """Tell whether it used less than its quota, or about that without ever being throttled."""
        cpu_us, wall_us = load.raw("cpu_us"), load.raw("wall_us")
        if not isinstance(cpu_us, int) or not isinstance(wall_us, int) or wall_us == 0:
            return super().was_disturbed(load)
        used = cpu_us / wall_us
        if used < PRESSED * load.limit:
            return not was_held(load)
        before, after = (counter(load.raw(files), "cpu", "nr_throttled") for files in ("shown", "after"))
        return used < OVERLOAD * load.limit and before is not None and before == after

    def used(self, load: CpuLoad) -> float | None:
        cpu_us, wall_us = measured_number(load, "cpu_us"), measured_number(load, "wall_us")
        return round(cpu_us / wall_us, 4) if cpu_us is not None and wall_us else None

    def show_used(self, load: CpuLoad, used: float) -> str:
        return f"used {used:.3f} over {load.wall_us / 1e6:.1f} s"

    def why_not_in_force(self, load: CpuLoad) -> str | None:
        """
        Not in force: another quota is shown, or 10 % more processor time was used.

        A busy host may leave less than the quota.  Then the kernel's own count decides: nr_periods counts the intervals
        in which it enforced the quota on the load (Documentation/scheduler/sched-bwc.rst), and rises for no group
        without one.
        """
        if why := _why_not_shown(load):
            return why
        if not load.wall_us:
            raise UnobservedFact("loads[cpu]", "", f"the load measured no time; it ended by '{load.ended}'")
        used = load.cpu_us / load.wall_us
        if used > load.limit * TOLERANCE:
            return f"it used {used:.2f} CPUs of {load.limit:g}"
        if load.limit >= load.host_cpus:
            raise UnobservedFact("loads[cpu]", "", f"the host has {load.host_cpus} CPUs: {load.limit:g} bound nothing")
        if _is_enforced(load):
            return None  # less than the quota, because other work left no more
        if used < load.limit * REACHED or (load.shown is not None and not counter_rose(load, "cpu", "nr_throttled")):
            raise UnobservedFact("loads[cpu]", "", self._why_less(load, used))
        return None

    def _why_less(self, load: CpuLoad, used: float) -> str:
        """Return what kept a load from its quota: other work on the host, or something that stopped its processes."""
        share = ready_share(load)
        if share is not None and share < READY:
            return f"something else held it, ready to run {share:.0%} of the time: it used {used:.2f} CPUs"
        return f"{BUSY}: the load reached {used:.2f} of {load.limit:g} CPUs in {self.tries} tries{waited(load)}"


def _is_enforced(load: CpuLoad) -> bool:
    """Whether the kernel counted an interval of enforcement for most periods of the load."""
    before, after = (counter(load.raw(files), "cpu", "nr_periods") for files in ("shown", "after"))
    if load.shown is None or before is None or after is None:
        return False
    return (after - before) * load.shown.cpu.period_us >= load.wall_us * REACHED


def _why_not_shown(load: CpuLoad) -> str | None:
    if load.shown is None:
        seen = amount_inside(load)
        if seen > max(1, math.ceil(load.limit)):
            return f"{seen:g} CPUs are seen inside, {load.limit:g} were asked for"
        return None
    quota, period = load.shown.cpu.quota_us, load.shown.cpu.period_us
    if quota is None or not period or abs(quota / period - load.limit) > ROUNDING:
        return f"the cgroup shows a quota of {or_none(quota)} in {period} us, {load.limit:g} CPUs were asked for"
    return None


def _spinners(host_cpus: int) -> int:
    return max(SPINNERS, host_cpus)


LIMIT = Cpu()
