"""What the cgroups above a process limit and count, as facts.py has it.

In: nothing.  Out: frozen models.  Used by facts.py.  The cgroup files of both versions are read as one (cgroups(7)).
"""

from __future__ import annotations

from provisioner.observed import Fact, Number, Observed


class MemoryLimit(Observed):
    """Bytes; `limit` None: no limit.  memory.max, memory.current, memory.peak, memory.events oom_kill, and v1's."""

    limit: Fact[Number | None]
    usage: Fact[Number]
    peak: Fact[Number | None]
    oom_kills: Fact[Number | None]


class CpuLimit(Observed):
    """Microseconds; `quota_us` None = no limit.  cpu.max, cpu.stat and v1's cpu.cfs_*, cpuacct.usage."""

    quota_us: Fact[Number | None]
    period_us: Fact[Number]
    usage_us: Fact[Number]
    nr_periods: Fact[Number]
    nr_throttled: Fact[Number]


class PidsLimit(Observed):
    """Tasks; `limit` None = no limit.  pids.max, pids.current, pids.events max."""

    limit: Fact[Number | None]
    current: Fact[Number]
    refusals: Fact[Number | None]


class CgroupFiles(Observed):
    """The cgroup files that rule the process; `version` is that of the hierarchy with the controllers, 0 for none."""

    version: Number
    memory: Fact[MemoryLimit]
    cpu: Fact[CpuLimit]
    pids: Fact[PidsLimit]
