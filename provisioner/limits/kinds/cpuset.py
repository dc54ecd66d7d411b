"""The set of processors that tasks may run on."""

from __future__ import annotations

import re
from typing import Any

from provisioner.errors import UnobservedFact
from provisioner.limits.cgroup import CgroupFile, CgroupSetting
from provisioner.limits.limit import Limit
from provisioner.limits.measured import LoadBase, amount_inside, or_none
from provisioner.observed import Fact, Number, Observed, Text, since_schema

SPIN_MS = 200


class CpusetLimit(Observed):
    """
    `cpus` is the set in force ("0-1,4"), `limit` how many processors it has; None: as many as the whole hierarchy.

    cpuset.cpus.effective, and v1's cpuset.effective_cpus.
    """

    limit: Fact[Number | None]
    cpus: Fact[Text]


class CpusetLoad(LoadBase):
    """`cpus_used` are the processors that the load ran on: "0,1"."""

    cpus_used: Fact[Text] = since_schema()


class Cpuset(Limit[CpusetLoad]):
    """cpuset.cpus of both cgroup versions: the first processors of the host, as many as asked for."""

    name = argument = "cpuset"
    unit = "processors to run on"
    example = "1"
    rank = 60
    amount = 1
    pushed = 1024
    resource = "processors"
    section = CpusetLimit
    load = CpusetLoad

    def template_values(self, amount: int) -> dict[str, object]:
        return {"set": _first(amount)}

    def cgroup_setting(self, amount: int) -> CgroupSetting:
        files = (CgroupFile("cpuset.cpus", _first(amount)),)
        return CgroupSetting(self.argument, "cpuset", files, files)

    def load_argv(self, amount: int, host_cpus: int) -> tuple[str, ...]:
        return ("load", "cpuset", str(SPIN_MS))

    def read_load(self, output: bytes, host_cpus: int) -> dict[str, Any]:
        ran = re.search(rb"^ran on ([\d,]*)$", output, re.MULTILINE)
        return {"cpus_used": ran[1].decode()} if ran else {}

    def used(self, load: CpusetLoad) -> float | None:
        used = load.raw("cpus_used")
        return len(cpus_of(used)) if isinstance(used, str) else None

    def show_used(self, load: CpusetLoad, used: float) -> str:
        return f"ran on {used:g}: {load.cpus_used}"

    def most_pushed(self, host_cpus: int) -> float:
        return host_cpus

    def why_not_applicable(self, load: CpusetLoad) -> str | None:
        return "the host has one processor" if load.raw("host_cpus") == 1 else None

    def why_not_in_force(self, load: CpusetLoad) -> str | None:
        """Not in force: another number of processors is shown, or the load ran on one that is not in the set."""
        asked = int(load.limit)
        shown = amount_inside(load) if load.shown is None else load.shown.cpuset.limit
        if shown is None and asked == load.host_cpus:
            raise UnobservedFact("loads[cpuset]", "", f"the host has {asked} processors: that bounds nothing")
        if shown != asked:
            return f"its cpuset has {or_none(shown)}, {asked} processors were asked for"
        used = cpus_of(load.cpus_used)
        if not used:
            raise UnobservedFact("loads[cpuset]", "", f"the load ran on no processor; it ended by '{load.ended}'")
        if load.shown is not None and (outside := used - cpus_of(load.shown.cpuset.cpus)):
            return f"it ran on processor {min(outside)}, outside its set {load.shown.cpuset.cpus}"
        return None


def cpus_of(text: str) -> frozenset[int]:
    """Return the processors of a list such as "0-1,4" (cpuset(7), "List format")."""
    found: set[int] = set()
    for part in text.split(","):
        if match := re.fullmatch(r"(\d{1,5})(?:-(\d{1,5}))?", part):
            found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return frozenset(found)


def _first(amount: int) -> str:
    return "0" if amount == 1 else f"0-{amount - 1}"


LIMIT = Cpuset()
