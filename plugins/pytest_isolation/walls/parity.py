"""Compares what the runtime's exec starts with the first process, fact by fact.

In: the first process and the exec'd one, and the system as each sees it.
Out: by check, in which facts the exec'd process is less confined, in words.  Pure.

`PROCESS`, `SYSTEM` and `DOCUMENT` name every fact of such a view, with the check that compares it or the reason why
nothing does.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from provisioner.facts.process import Process
from provisioner.facts.status import Rlimit
from provisioner.facts.system import System
from pytest_isolation.walls.filesystem.rootfs import folders_outside_root
from pytest_isolation.walls.inside_outside import same_label
from pytest_isolation.walls.labels import why_unconfined
from pytest_isolation.walls.users import mapped_at

PARITY, LIMITS, LABEL = "proc.exec_parity", "proc.exec_limits", "lsm.exec_parity"
HELPS = frozenset({"landlock.version"})  # a call by which a process confines itself
REFUSED = frozenset({"EPERM", "EACCES", "EROFS", "ENOSYS", "SIGSYS"})


@dataclass(frozen=True)
class Compared:
    """
    A fact that is compared.

    Attributes:
        check: the check that compares it.
        weaker: returns how the second view is less confined than the first, in words; None if the check itself does.
        attached: whether it is compared if the first process is a user's own and only seen from outside.
    """

    check: str
    weaker: Callable[[Process, Process], list[str]] | None = None
    attached: bool = True


@dataclass(frozen=True)
class Skipped:
    """A fact that is not compared, and the reason."""

    why: str


def _ids(name: str) -> Callable[[Process, Process], list[str]]:
    def weaker(own: Process, other: Process) -> list[str]:
        mine, theirs = getattr(own, name), getattr(other, name)
        return [] if mine == theirs else [f"has the {name}s {_list(theirs)}, the first one {_list(mine)}"]

    return weaker


def _more_groups(own: Process, other: Process) -> set[int]:
    return set(other.groups) - set(own.groups) - set(own.gid)


def groups_of_host(own: Process, other: Process, names: Mapping[int, str]) -> list[str]:
    """
    Return the host's privileged groups that only the exec'd process is in, in words.

    Args:
        own, other: the first process and the exec'd one.
        names: the host's privileged groups, by id (`users.privileged_groups`).
    """
    more = _more_groups(own, other)
    return [
        f"is in the host's group {name} ({gid})"
        for gid, name in sorted(names.items())
        if mapped_at(own.gid_map, gid) in more
    ]


def _groups(own: Process, other: Process) -> list[str]:
    """podman adds a group to /etc/group for a user without one, and exec looks there: podman-run(1) --passwd."""
    more = _more_groups(own, other)
    of_user = more & {other.uid[1]} - {0}
    found = [f"is also in the groups {_list(sorted(more - of_user))}"] if more - of_user else []
    return found + [f"is also in the group of its user's number, {gid}" for gid in of_user]


def _no_new_privs(own: Process, other: Process) -> list[str]:
    return ["has no_new_privs off, the first one has it on"] if other.no_new_privs < own.no_new_privs else []


def _securebits(own: Process, other: Process) -> list[str]:
    lacking = own.securebits & ~other.securebits
    return [f"lacks the securebits {lacking:#x}"] if lacking else []


def _umask(own: Process, other: Process) -> list[str]:
    more = own.umask & ~other.umask
    return [f"has the umask {other.umask:03o}, the first one {own.umask:03o}"] if more else []


def _descriptors(own: Process, other: Process) -> list[str]:
    more = [f"{fd.fd} ({fd.target})" for fd in other.fds if fd.fd > 2]
    return [f"was given the descriptors {', '.join(more[:4])}"] if more else []


def _handles(own: Process, other: Process) -> list[str]:
    found = folders_outside_root(other)
    return [f"has {', '.join(found[:4])} as a folder outside its root"] if found else []


def _root(own: Process, other: Process) -> list[str]:
    mine, theirs = own.handles["root"], other.handles["root"]
    same = (mine.major, mine.minor, mine.inode) == (theirs.major, theirs.minor, theirs.inode)
    return [] if same else ["has another root folder"]


def _folders(own: Process, other: Process) -> list[str]:
    return _root(own, other) + _handles(own, other)


def _oom(own: Process, other: Process) -> list[str]:
    if other.oom_score_adj >= own.oom_score_adj:
        return []
    return [f"has the oom_score_adj {other.oom_score_adj}, the first one {own.oom_score_adj}"]


def _rlimits(own: Process, other: Process) -> list[str]:
    """A process raises its soft limit up to the hard one by itself (getrlimit(2)): the hard one is the wall."""
    found = []
    for name in own.rlimits.names():
        mine, theirs = own.rlimits[name], other.rlimits[name]
        if mine.hard is not None and (theirs.hard is None or theirs.hard > mine.hard):
            found.append(f"has RLIMIT_{name.upper()} {_hard(theirs)}, the first one {_hard(mine)}")
    return found


def _hard(limit: Rlimit) -> str:
    return "unlimited" if limit.hard is None else str(limit.hard)


def _list(numbers: list[int]) -> str:
    return " ".join(map(str, numbers))


IDENTITY = Skipped("it identifies the process")
OF_NAMESPACE = Skipped("it is a fact of a namespace, and ns.exec_parity compares the namespaces")
OF_CGROUP = Skipped("it is a fact of the cgroup, and ns.exec_parity compares the cgroups")
OUTSIDE = Skipped("only the host sees it, and an exec'd process has no view from outside")

PROCESS: Mapping[str, Compared | Skipped] = {
    "pid": IDENTITY,
    "nspid": IDENTITY,
    "name": IDENTITY,
    "start_time": IDENTITY,
    "namespaces": Compared("ns.exec_parity"),
    "owners": OF_NAMESPACE,
    "user_parents": OF_NAMESPACE,
    "uid": Compared(PARITY, _ids("uid"), attached=False),
    "gid": Compared(PARITY, _ids("gid"), attached=False),
    "groups": Compared(PARITY, _groups, attached=False),
    "uid_map": OF_NAMESPACE,
    "gid_map": OF_NAMESPACE,
    "setgroups": OF_NAMESPACE,
    "capabilities": Compared("cap.exec_parity"),
    "no_new_privs": Compared(PARITY, _no_new_privs),
    "seccomp": Compared("seccomp.exec_parity"),
    "lsm": Compared(LABEL),
    "cgroups": Compared("ns.exec_parity"),
    "mounts": OF_NAMESPACE,
    "fds": Compared(PARITY, _descriptors),
    "cwd": Skipped("the text is relative to a root; the folder itself is compared as a handle"),
    "root": Skipped("the text is relative to a root; the folder itself is compared as a handle"),
    "exe": Compared("fd.runtime_exe"),
    "filters": OUTSIDE,
    "handles": Compared(PARITY, _folders, attached=False),
    "environment": Skipped("who starts an exec may give it further variables; env.* judge those of the first process"),
    "values": Skipped("classes of the environment's values: env.secrets looks at every process inside"),
    "terminal": Skipped("who starts an exec may give it a terminal; dev.tty judges that of the first process"),
    "beneath": OF_NAMESPACE,
    "network": OF_NAMESPACE,
    "device_rules": OF_CGROUP,
    "cpus_allowed": Skipped("a process widens it up to its cpuset by itself (sched_setaffinity(2))"),
    "ksm_pages": Skipped("it counts pages, and bounds nothing"),
    "umask": Compared(PARITY, _umask, attached=False),
    "oom_score_adj": Compared(LIMITS, _oom),
    "rlimits": Compared(LIMITS, _rlimits),
    "securebits": Compared(PARITY, _securebits, attached=False),
    "dumpable": Skipped("execve(2) sets it: to 0 if the program gains capabilities, else to 1"),
    "leads": OUTSIDE,
    "keeper": OUTSIDE,
}


def _tries(own: System, other: System) -> list[str]:
    passed = [
        name
        for name in own.tries.names()
        if name not in HELPS
        and name in other.tries
        and own.tries[name].result in REFUSED
        and other.tries[name].result not in REFUSED | {"timeout"}
    ]
    return [f"gets past the refusal of {', '.join(passed[:4])}"] if passed else []


def _paths(own: System, other: System) -> list[str]:
    written = [
        name
        for name in own.paths.names()
        if name in other.paths and own.paths[name].write in REFUSED and other.paths[name].write == "ok"
    ]
    return [f"opens {', '.join(written[:4])} for writing"] if written else []


def _device_node(own: System, other: System) -> list[str]:
    passed = own.device_node in REFUSED and other.device_node not in REFUSED
    return ["opens a device that its cgroup refuses"] if passed else []


def _root_access(own: System, other: System) -> list[str]:
    return ["may write to /"] if own.root_access in REFUSED and other.root_access == "ok" else []


def _devices(own: System, other: System) -> list[str]:
    refused = {device.path for device in own.devices if device.open in REFUSED}
    opened = [device.path for device in other.devices if device.path in refused and device.open == "ok"]
    return [f"opens {', '.join(opened[:4])}"] if opened else []


OF_SYSTEM = Skipped("it is a fact of the system or of a namespace, not of the process that looks")
NOT_ASKED = Skipped("an exec'd process is not asked for it")
SYSTEM: Mapping[str, Callable[[System, System], list[str]] | Skipped] = {
    **dict.fromkeys(
        (
            *("kernel", "hostname", "proc_self", "processes", "tasks", "lsms", "interfaces", "legacy_tiocsti"),
            "init_maps",  # the reach of the sandbox's own first process
            *("kernel_state", "memory_total", "swap_total", "cpus", "resources", "machine_id", "platform", "ssh"),
            *("entropy", "guest_api", "sockets", "ports", "nodes", "groups", "values"),
        ),
        OF_SYSTEM,
    ),
    **dict.fromkeys(("canary", "canaries", "peers", "objects", "disks", "privileged", "user_files"), NOT_ASKED),
    "keys": Skipped("a session keyring of its own is no difference; the calls are compared as tries"),
    "devices": _devices,
    "device_node": _device_node,
    "root_access": _root_access,
    "paths": _paths,
    "tries": _tries,
}
OF_DOCUMENT = Skipped("it describes the document")
DOCUMENT: Mapping[str, Skipped] = {
    **dict.fromkeys(("schema_", "view", "nonce", "probe", "boot_id", "time"), OF_DOCUMENT),
    "limits": OF_CGROUP,
    "tasks": OUTSIDE,
    "left_out": OUTSIDE,
    **dict.fromkeys(("listeners", "backings", "connections"), OUTSIDE),
}


def weaker_than_first(check: str, own: Process, other: Process, attached: bool) -> list[str]:
    """
    Return in which facts of one check an exec'd process is less confined than the first process.

    Args:
        check: the check.
        own, other: the first process and the exec'd one.
        attached: whether the first process is a user's own, which is only seen from outside and may have dropped
            rights by itself.
    """
    return [
        text
        for compared in PROCESS.values()
        if isinstance(compared, Compared)
        and compared.check == check
        and compared.weaker is not None
        and (compared.attached or not attached)
        for text in compared.weaker(own, other)
    ]


def gets_further(own: Process, other: Process, own_system: System, other_system: System) -> list[str]:
    """
    Return which refusals an exec'd process gets past that stop the first process.

    Args:
        own, other: the first process and the exec'd one.  Other capabilities or another filter explain other answers,
            and have checks of their own: then nothing is returned.
        own_system, other_system: the system as each sees it, with the answers that it gets.
    """
    if own.capabilities != other.capabilities or own.seccomp != other.seccomp:
        return []
    compares = [compare for compare in SYSTEM.values() if not isinstance(compare, Skipped)]
    return [text for compare in compares for text in compare(own_system, other_system)]


def why_other_label(own: str, other: str, host: str) -> str:
    """
    Say how the label of an exec'd process confines less than that of the first process; "" if it does not.

    Args:
        own, other, host: the labels of the first process, of the exec'd one, and of the host's own process.
    """
    if why_unconfined(own, host) or same_label(other, own) or same_label(own, other):
        return ""
    why = why_unconfined(other, host)
    return f"an exec'd process is not confined: {why}" if why else f"an exec'd process has the label '{other}'"
