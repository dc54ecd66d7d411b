"""The weakest task of a sandbox, and what a task has that the first process could not give it.

In: the subject's process, the other tasks of the sandbox, the host's process.
Out: a process that has each wall as the weakest task has it; what a task has more, in words.  Pure.
docs/decisions/0009 gives the reason.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from provisioner.errors import UnobservedFact
from provisioner.facts.process import Cgroup, Process, TaskState
from provisioner.facts.status import Capabilities, Seccomp
from provisioner.observed import Unobserved
from pytest_isolation.walls.capabilities import mask_of, names_in
from pytest_isolation.walls.labels import why_unconfined

Tasks = Callable[[], Sequence[TaskState]]  # raises UnobservedFact if the tasks were not observed
SETS = ("inheritable", "permitted", "effective", "bounding", "ambient")
# A service manager puts its other services beside the subject's cgroup, not below it.
LEAVES = ("/init.scope", "/.lxc")
_SETUID, _SETGID = mask_of(["SETUID"]), mask_of(["SETGID"])


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


def name_task(task: TaskState) -> str:
    """Return how a finding names a task: its number on the host, its command, and its number inside."""
    thread = "" if task.pid == task.process else f"thread {task.pid} of "
    numbers, name = task.raw("nspid"), task.raw("name")
    inside = f", pid {numbers[-1]} inside" if isinstance(numbers, list) and len(numbers) > 1 else ""
    return f"{thread}process {task.process} ({name if isinstance(name, str) else 'unknown'}{inside})"


def name_first(tasks: Sequence[TaskState]) -> str:
    """Return the name of the first task; "" if there is none."""
    return name_task(tasks[0]) if tasks else ""


@dataclass(frozen=True)
class First:
    """
    What the first process of a sandbox has, and what it and its children can get by themselves.

    Attributes:
        user: the user namespace.
        reach: the capabilities that an execve(2) can give, as a mask (capabilities(7)).
        bounding: the bounding set.
        root: the host's id of the sandbox's root.
        uids, gids: the ids; groups are among the gids.
        no_new_privs, filtered, confined: whether no_new_privs is on, a filter is installed, and a label confines it.
    """

    user: int | None
    reach: int
    bounding: int
    root: int
    uids: frozenset[int]
    gids: frozenset[int]
    no_new_privs: bool
    filtered: bool
    confined: bool


def first_of(subject: Process, tasks: Sequence[TaskState], host: Callable[[], Process]) -> First:
    """
    Return what the subject and the init of its pid namespace have together.

    An init that a runtime puts above the subject (bwrap, lxc-init, tini) belongs to the first process.

    Args:
        subject: the first process that the runtime was asked for.
        tasks: the other tasks.
        host: returns the host's process.
    """
    inits = [task for task in tasks if task.nspid[-1] == 1 and task.namespaces.pid == subject.namespaces.pid]
    first = (subject, *(task for task in inits if task.namespaces.user == subject.namespaces.user))
    reach = bounding = 0
    for one in first:
        sets = one.capabilities
        bounding |= sets.bounding
        reach |= sets.permitted if one.no_new_privs else sets.permitted | sets.bounding
    return First(
        user=subject.namespaces.user,
        reach=reach,
        bounding=bounding,
        root=next((line.outside for line in subject.uid_map if line.inside == 0), 0),
        uids=frozenset(number for one in first for number in one.uid),
        gids=frozenset(number for one in first for number in (*one.gid, *one.groups)),
        no_new_privs=all(one.no_new_privs for one in first),
        filtered=all(one.seccomp.mode for one in first),
        confined=not any(why_unconfined(one.lsm, host().lsm) for one in first),
    )


def more_than_first(first: First, task: TaskState, host: Callable[[], Process]) -> list[str]:
    """
    Return what a task has that the first process could not give it, in words.

    A process may change its ids and groups with CAP_SETUID and CAP_SETGID, and its capabilities by execve(2): what
    comes of that is not more, and neither is another user that is not root.
    In a user namespace that a task made itself it has every capability (user_namespaces(7)): only tasks in the first
    process's or the host's count.

    Args:
        first: the first process.
        task: the task.
        host: returns the host's process.
    """
    found = []
    if first.no_new_privs and not task.no_new_privs:
        found.append("has no_new_privs off")
    if first.filtered and not task.seccomp.mode:
        found.append("has no seccomp filter")
    if first.confined and (why := why_unconfined(task.lsm, host().lsm)):
        found.append(f"is not confined: {why}")
    if task.namespaces.user in (first.user, host().namespaces.user):
        sets = task.capabilities
        held = sets.permitted | sets.effective | sets.inheritable | sets.ambient
        more = (held & ~first.reach) | (sets.bounding & ~first.bounding)
        found += [f"holds {', '.join(sorted(names_in(more)))}"] if more else []
        if {0, first.root} & (set(task.uid) - first.uids) and not first.reach & _SETUID:
            found.append("runs as root")
        groups = sorted(set(task.groups) - first.gids - set(task.gid))
        if groups and not first.reach & _SETGID:
            found.append(f"has the groups {' '.join(map(str, groups))}")
    return found
