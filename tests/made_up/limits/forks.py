"""A limit that only a test has: how often a sandbox may fork.  The one module that a new limit takes."""

from __future__ import annotations

import re
from typing import Any

from provisioner.errors import UnobservedFact
from provisioner.limits.cgroup import CgroupFile, CgroupSetting
from provisioner.limits.limit import Limit
from provisioner.limits.measured import LoadBase
from provisioner.observed import Fact, Number, Observed, since_schema


class ForksLimit(Observed):
    """Forks; `most` None: no limit."""

    most: Fact[Number | None]


class ForksLoad(LoadBase):
    """`forked` is how many forks succeeded."""

    forked: Fact[Number] = since_schema()


class Forks(Limit[ForksLoad]):
    """It has the kernel's pids.max under another name, so that a real kernel keeps it."""

    name = argument = "forks"
    unit = "forks"
    rank = 40
    amount = 16
    section = ForksLimit
    load = ForksLoad

    def template_values(self, amount: int) -> dict[str, object]:
        return {"forks": amount}

    def cgroup_setting(self, amount: int) -> CgroupSetting:
        files = (CgroupFile("pids.max", str(amount)),)
        return CgroupSetting(self.argument, "pids", files, files)

    def load_argv(self, amount: int, host_cpus: int) -> tuple[str, ...]:
        return ("load", "pids", str(amount * 2))

    def read_load(self, output: bytes, host_cpus: int) -> dict[str, Any]:
        forks = re.search(rb"children (\d+)", output)
        return {"forked": int(forks[1])} if forks else {}

    def why_not_in_force(self, load: ForksLoad) -> str | None:
        if load.forked > load.limit:
            return f"it forked {load.forked} times of {load.limit:g}"
        if load.forked < load.limit // 2:
            raise UnobservedFact("loads[forks]", "", f"fork failed after {load.forked}: by another bound")
        return None


LIMIT = Forks()
