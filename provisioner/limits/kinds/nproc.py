"""The limit on the tasks of one user."""

from __future__ import annotations

import re
from typing import Any

from provisioner.errors import UnobservedFact
from provisioner.limits.kinds.pids import MAX_CHILDREN
from provisioner.limits.limit import Limit
from provisioner.limits.measured import DEADLINE, CgroupFilesBase, LoadBase, counter_rose, measured_number, or_none
from provisioner.limits.starving import why_late
from provisioner.observed import Answer, Fact, Number, Observed, since_schema

REACHED = 0.5  # of the limit: other tasks count too


class NprocLimit(Observed):
    """
    RLIMIT_NPROC of the process, in tasks (getrlimit(2)); None: unlimited.

    `limit` is the hard value: a process may raise its soft one to it.
    """

    soft: Fact[Number | None]
    limit: Fact[Number | None]


class NprocLoad(LoadBase):
    """`user_children` is how many children were forked, `user_error` the errno's name of the failed fork or "ok"."""

    user_children: Fact[Number] = since_schema()
    user_error: Fact[Answer] = since_schema()


class Nproc(Limit[NprocLoad]):
    """
    RLIMIT_NPROC counts the tasks of a real user id, in a user namespace and those above it since Linux 5.14.

    It does not bind the host's root, nor CAP_SYS_RESOURCE or CAP_SYS_ADMIN over the host (kernel/fork.c,
    copy_process()).
    """

    name = argument = "nproc"
    unit = "tasks of its user"
    example = "256"
    rank = 90
    amount = 256
    pushed = MAX_CHILDREN // 2
    section = NprocLimit
    load = NprocLoad
    # The limits on tasks and memory would end the load before it; podman raises a limit on files that is not named.
    beside = ("files",)

    def template_values(self, amount: int) -> dict[str, object]:
        return {"count": amount}

    def load_argv(self, amount: int, host_cpus: int) -> tuple[str, ...]:
        return ("load", "pids", str(min(amount * 2, MAX_CHILDREN)))

    def read_load(self, output: bytes, host_cpus: int) -> dict[str, Any]:
        forks = re.search(rb"children (\d+) errno (\w+)", output)
        return {"user_children": int(forks[1]), "user_error": forks[2].decode()} if forks else {}

    def used(self, load: NprocLoad) -> float | None:
        return measured_number(load, "user_children")

    def show_used(self, load: NprocLoad, used: float) -> str:
        return f"{used:g} children came up"

    def why_unbounded(self, files: CgroupFilesBase) -> str | None:
        return None if self.declared(files) is not None else "limit=none: its user may have any number of tasks"

    def why_not_applicable(self, load: NprocLoad) -> str | None:
        """A lower limit of tasks comes first: the hard value, which is shown, is never reached (cgroups(7), pids)."""
        forks = load.raw("user_children")
        if load.shown is None or load.shown.nproc.raw("limit") != load.limit or not isinstance(forks, int):
            return None
        tasks = load.shown.pids.raw("limit")
        lower = isinstance(tasks, int) and tasks * REACHED <= forks < tasks <= load.limit
        first = lower and load.raw("user_error") == "EAGAIN" and counter_rose(load, "pids", "refusals")
        return f"its limit of {tasks} tasks comes first: lim.pids" if first else None

    def why_not_in_force(self, load: NprocLoad) -> str | None:
        """Not in force: another limit is shown, or as many children as the limit were forked."""
        asked = int(load.limit)
        shown = load.shown.nproc.limit if load.shown else None
        if shown != asked:
            return f"its hard limit is {or_none(shown)} for tasks of its user, {asked} were asked for"
        if load.ended == DEADLINE:
            raise UnobservedFact("loads[nproc]", "", why_late(load, "did not end"))
        if load.user_children >= asked:
            return f"{load.user_children} children came up under a limit of {asked} tasks of its user"
        if load.user_error != "EAGAIN":
            why = f"fork ended with {load.user_error} after {load.user_children} children, not with EAGAIN"
            raise UnobservedFact("loads[nproc]", "", why)
        if load.user_children < asked * REACHED:
            why = f"fork failed after {load.user_children} of {asked}: by another bound, or by other tasks of its user"
            raise UnobservedFact("loads[nproc]", "", why)
        return None


LIMIT = Nproc()
