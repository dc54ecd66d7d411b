"""The weakest task of a sandbox.

In: the subject as a process, what else runs beside it, the host's process.  Out: each wall as the weakest has it.
Pure.
docs/decisions/0009 says why a check's claim is judged so.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provisioner.facts.process import Cgroup, Process, TaskState
from provisioner.facts.status import Capabilities, Seccomp
from provisioner.observed import Unobserved, UnobservedFact
from pytest_isolation.walls.labels import why_unconfined

Tasks = Callable[[], Sequence[TaskState]]  # raises UnobservedFact where nobody could look
SETS = ("inheritable", "permitted", "effective", "bounding", "ambient")
# Where a manager of services has put the subject, its other services are beside that and not below.
LEAVES = ("/init.scope", "/.lxc")


def weakest(process: Process, tasks: Tasks, host: Callable[[], Process]) -> Process:
    """
    Return the process with each wall as the weakest of all tasks has it.

    A wall of tasks that nobody could look at is an unobserved fact: what is sound of the subject alone is not known
    to be so of all.
    """
    rules: dict[str, Callable[[], object]] = {
        "capabilities": lambda: _capabilities(process, tasks(), host),
        "no_new_privs": lambda: process.no_new_privs and min(one.no_new_privs for one in (process, *tasks())),
        "seccomp": lambda: _seccomp(process, tasks),
        "lsm": lambda: _label(process, tasks, host),
    }
    found: dict[str, object] = {}
    for name, rule in rules.items():
        try:
            found[name] = rule()
        except UnobservedFact as fault:
            found[name] = Unobserved(unobserved=fault.errno, why=fault.why)
    return process.model_copy(update=found)


def _capabilities(process: Process, tasks: Sequence[TaskState], host: Callable[[], Process]) -> Capabilities:
    """
    Return what any of them has in each set.

    In a user namespace that it made itself a task has them all, over that one alone (user_namespaces(7)): it counts
    in the subject's and the host's.
    """
    if not tasks:
        return process.capabilities
    where = (process.namespaces.user, host().namespaces.user)
    sets = dict.fromkeys(SETS, 0)
    for one in (process, *(task for task in tasks if task.namespaces.user in where)):
        for name in SETS:
            sets[name] |= getattr(one.capabilities, name)
    return Capabilities(**sets)


def _seccomp(process: Process, tasks: Tasks) -> Seccomp:
    if process.seccomp.mode == 0:
        return process.seccomp
    return min((process.seccomp, *(task.seccomp for task in tasks())), key=lambda one: (one.mode, one.filters or 0))


def _label(process: Process, tasks: Tasks, host: Callable[[], Process]) -> str:
    return next((task.lsm for task in tasks() if why_unconfined(task.lsm, host().lsm)), process.lsm)


def elsewhere(process: Process, tasks: Sequence[TaskState]) -> list[TaskState]:
    """Return the tasks that live in a cgroup neither the subject's nor below it, so that its limits miss them."""
    tops = {line.hierarchy: _top(line) for line in process.cgroups}
    return [task for task in tasks if not all(_is_below(line, tops.get(line.hierarchy, "/")) for line in task.cgroups)]


def _top(line: Cgroup) -> str:
    for leaf in LEAVES:
        if line.path.endswith(leaf):
            return line.path.removesuffix(leaf) or "/"
    return line.path


def _is_below(line: Cgroup, top: str) -> bool:
    return line.path == top or line.path.startswith(top.rstrip("/") + "/")


def described(tasks: Sequence[TaskState]) -> str:
    """Name the first of these tasks as a reason does: by the host's number and its own name."""
    return f"process {tasks[0].process} ({tasks[0].name})" if tasks else ""
