"""The weakest task of a sandbox.

In: the subject's process, the other tasks of the sandbox, the host's process.
Out: a process that has each wall as the weakest task has it.  Pure.
docs/decisions/0009 gives the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from provisioner.errors import UnobservedFact
from provisioner.facts.process import Cgroup, Process, TaskState
from provisioner.facts.status import Capabilities, Seccomp
from provisioner.observed import Unobserved
from pytest_isolation.walls.labels import why_unconfined

Tasks = Callable[[], Sequence[TaskState]]  # raises UnobservedFact if the tasks were not observed
SETS = ("inheritable", "permitted", "effective", "bounding", "ambient")
# A service manager puts its other services beside the subject's cgroup, not below it.
LEAVES = ("/init.scope", "/.lxc")


def weakest(process: Process, tasks: Tasks, host: Callable[[], Process]) -> Process:
    """
    Return the process with each wall as the weakest of all tasks has it.

    If the tasks were not observed, the wall is an unobserved fact: what holds for the subject may not hold for all.

    Args:
        process: the subject.
        tasks: returns the other tasks; raises UnobservedFact if they were not observed.
        host: returns the host's process.
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
    Return the union of the tasks' capabilities, set by set.

    A task in a user namespace that it made itself has all capabilities over that namespace alone (user_namespaces(7)).
    Only tasks in the subject's or the host's user namespace count.
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


def outside_cgroup(process: Process, tasks: Sequence[TaskState]) -> list[TaskState]:
    """Return the tasks in a cgroup that is neither the subject's nor below it: its limits do not bound them."""
    tops = {line.hierarchy: _top(line) for line in process.cgroups}
    return [task for task in tasks if not all(_is_below(line, tops.get(line.hierarchy, "/")) for line in task.cgroups)]


def _top(line: Cgroup) -> str:
    for leaf in LEAVES:
        if line.path.endswith(leaf):
            return line.path.removesuffix(leaf) or "/"
    return line.path


def _is_below(line: Cgroup, top: str) -> bool:
    return line.path == top or line.path.startswith(top.rstrip("/") + "/")


def in_its_pids(process: Process, tasks: Sequence[TaskState]) -> list[TaskState]:
    """Return the tasks of other sandboxes in its pid namespace: in another mount namespace, and beside its cgroup."""
    same = [task for task in tasks if task.namespaces.pid == process.namespaces.pid]
    return [task for task in outside_cgroup(process, same) if task.namespaces.mnt != process.namespaces.mnt]


def name_first(tasks: Sequence[TaskState]) -> str:
    """Return the number on the host and the name of the first task; "" if there is none."""
    return f"process {tasks[0].process} ({tasks[0].name})" if tasks else ""
