"""The namespaces of a process, and the user namespace that owns each (process/namespaces.c)."""

from __future__ import annotations

from typing import Literal

from provisioner.facts.forms import Pid
from provisioner.observed import Fact, Number, Observed, Text


class Namespaces(Observed):
    """Inode of /proc/PID/ns/NAME for each kind (namespaces(7)); None where the kernel has no such kind."""

    cgroup: Fact[Number | None]
    ipc: Fact[Number | None]
    mnt: Fact[Number | None]
    net: Fact[Number | None]
    pid: Fact[Number | None]
    time: Fact[Number | None]
    user: Fact[Number | None]
    uts: Fact[Number | None]


NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
# Inodes of the initial namespaces, the same in every kernel: include/linux/proc_ns.h (PROC_*_INIT_INO).
INITIAL = {
    "ipc": 0xEFFFFFFF,
    "uts": 0xEFFFFFFE,
    "user": 0xEFFFFFFD,
    "pid": 0xEFFFFFFC,
    "cgroup": 0xEFFFFFFB,
    "time": 0xEFFFFFFA,
}


class Owners(Observed):
    """
    Inode of the user namespace that owns each namespace of the process (ioctl_nsfs(2), NS_GET_USERNS).

    A capability over a namespace must be held in its owner (user_namespaces(7)).  None where the kernel has no such
    kind; unobserved with EPERM where the owner is neither the reader's user namespace nor one below it.
    """

    cgroup: Fact[Number | None]
    ipc: Fact[Number | None]
    mnt: Fact[Number | None]
    net: Fact[Number | None]
    pid: Fact[Number | None]
    time: Fact[Number | None]
    uts: Fact[Number | None]


class InCommon(Observed):
    """
    A namespace that the sandbox has in common with the process that keeps it, and which is not the host's.

    `pid` and `name` are of a process outside that lives in it: the engine's daemon.
    """

    kind: Literal["cgroup", "ipc", "net", "time", "uts"]
    pid: Pid
    name: Text


OWNED = ("cgroup", "ipc", "mnt", "net", "pid", "time", "uts")
