"""The limit on the number of tasks."""

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
    beyond,
    counter,
    counter_rose,
    measured_number,
    or_none,
)
from provisioner.limits.starving import why_late
from provisioner.observed import Answer, Fact, Number, Observed, since_schema

MAX_CHILDREN = 4096


class PidsLimit(Observed):
    """Tasks; `limit` None = no limit.  pids.max, pids.current, pids.events max."""

    limit: Fact[Number | None]
    current: Fact[Number]
    refusals: Fact[Number | None]


class PidsLoad(LoadBase):
    """
    `children` is how many children were forked, `fork_error` the errno's name of the failed fork ("ok": none).

    `nproc` is the load's soft RLIMIT_NPROC: processes of its user (getrlimit(2)); None: unlimited.
    """

    children: Fact[Number]
    fork_error: Fact[Answer]
    nproc: Fact[Number | None] = since_schema()


class Pids(Limit[PidsLoad]):
    """pids.max of both cgroup versions."""

    name = argument = "pids"
    unit = "tasks"
    example = "32"
    rank = 30
    amount = 32
    pushed = MAX_CHILDREN // 2
    section = PidsLimit
    always_in_facts = True
    load = PidsLoad
    ways = ("threads", "orphans")

    def template_values(self, amount: int) -> dict[str, object]:
        return {"count": amount}

    def cgroup_setting(self, amount: int) -> CgroupSetting:
        files = (CgroupFile("pids.max", str(amount)),)
        return CgroupSetting(self.argument, "pids", files, files)

    def load_argv(self, amount: int, host_cpus: int) -> tuple[str, ...]:
        return self.push_argv(min(amount * 2, MAX_CHILDREN), host_cpus)

    def push_argv(self, pushed: int, host_cpus: int) -> tuple[str, ...]:
        return ("load", "pids", str(pushed))

    def read_load(self, output: bytes, host_cpus: int) -> dict[str, Any]:
        forks = re.search(rb"children (\d+) errno (\w+)(?: nproc (\d+))?", output)
        if not forks:
            return {}
        nproc = int(forks[3]) if forks[3] else None
        return {"children": int(forks[1]), "fork_error": forks[2].decode(), "nproc": nproc}

    def used(self, load: PidsLoad) -> float | None:
        return measured_number(load, "children")

    def show_used(self, load: PidsLoad, used: float) -> str:
        return f"{used:g} children came up beside the probe"

    def why_not_in_force(self, load: PidsLoad) -> str | None:
        """Not in force: as many children as the limit were forked, or another limit is shown."""
        asked = int(load.limit)
        children = load.raw("children")  # before what is shown: a root cgroup has no pids.max
        if isinstance(children, int) and children >= asked and load.raw("fork_error") == "ok":
            return f"{children} children came up under a limit of {asked} tasks"
        shown = amount_inside(load) if load.shown is None else load.shown.pids.limit
        if shown != asked:
            return f"a limit of {or_none(shown)} tasks is shown, {asked} were asked for"
        if load.ended == DEADLINE:
            raise UnobservedFact("loads[pids]", "", why_late(load, "did not end"))
        if load.children >= asked or load.fork_error == "ok":
            return f"{load.children} children came up under a limit of {asked} tasks"
        if ways := beyond(load, asked):
            return f"{', '.join(ways)} under a limit of {asked} tasks"
        if load.fork_error != "EAGAIN":
            why = f"fork failed otherwise after {load.children} children"
            raise UnobservedFact("loads[pids]", load.fork_error, why)
        if load.children < asked // 2:
            why = f"fork failed after {load.children} of {asked}: {_other_bound(load) or 'by another bound'}"
            raise UnobservedFact("loads[pids]", "", why)
        if load.shown is not None and not counter_rose(load, "pids", "refusals"):
            why = _other_bound(load) or "pids.events did not rise"
            raise UnobservedFact("loads[pids]", "", f"fork failed, and not by this limit: {why}")
        return None


def _other_bound(load: PidsLoad) -> str:
    """Return how RLIMIT_NPROC ended the load; "" if it did not, or was not observed."""
    nproc = measured_number(load, "nproc")
    before, after = (counter(load.raw(files), "pids", "refusals") for files in ("shown", "after"))
    refused = before is not None and after is not None and after > before  # by a cgroup, its own or one above
    if nproc is None or nproc > 2 * load.limit or refused:
        return ""
    return f"RLIMIT_NPROC came first, {nproc} processes of its user (--ulimit nproc)"


LIMIT = Pids()
