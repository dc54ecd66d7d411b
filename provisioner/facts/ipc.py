"""Tries to reach things outside: a canary process, IPC objects, a keyring, sockets and ports of engines.

The sections `canary`, `peers`, `objects`, `keys`, `sockets`, `ports` and `guest_api` (probe/system/reach.c,
probe/exposed/sockets.c).
"""

from __future__ import annotations

from provisioner.facts.forms import AbsolutePath, DeviceNumber, Id, Mode, Port
from provisioner.observed import Answer, Fact, Number, Observed, Text, since_schema


class Canary(Observed):
    """
    A process of the host or of another sandbox that must be out of reach.

    `signal` is the result of kill(pid, 0); `same` says whether /proc/PID/cmdline holds the canary's nonce, so that
    another process with that number is not mistaken for it.  `environ` and `maps` are the results of opening these
    files of /proc/PID for reading, where the kernel checks ptrace(2)'s access mode; their contents are not read.
    """

    pid: Number  # as it was asked for
    signal: Answer
    same: Fact[bool]
    environ: Fact[Answer] = since_schema()
    maps: Fact[Answer] = since_schema()


class Objects(Observed):
    """
    IPC objects that the host made for this run, and the result of opening each: "ok", an errno's name, "SIGSYS".

    `shm` is shmget(2) of the segment's key, `mqueue` mq_open(3) and `abstract` connect(2) to the listener of `name`.
    """

    name: Text
    shm: Fact[Answer]
    mqueue: Fact[Answer]
    abstract: Fact[Answer]


class Keys(Observed):
    """The session keyring: the result of keyctl_get_keyring_ID(3), and its serial; None if the call was refused."""

    session: Fact[Answer]
    serial: Number | None


class Socket(Observed):
    """
    A unix socket on a path.

    `mount` is the mount point that it is or lies below; None for a well-known path that was tried.  `bound` says
    whether a process in the looking process's network namespace has bound this path (/proc/net/unix).
    """

    path: AbsolutePath
    mount: AbsolutePath | None
    device: DeviceNumber  # major, minor of its file system
    inode: Number
    uid: Id
    gid: Id
    mode: Mode
    bound: bool


class UserFile(Observed):
    """
    A file or folder of the user who starts the sandbox, by the path that it has on the host.

    `read` and `write` are the results of opening it (open(2)); None if it is neither a file nor a folder, or a folder
    that would be written.  `device` and `inode` tell whether it is the host's.
    """

    path: AbsolutePath
    device: DeviceNumber
    inode: Number
    read: Answer | None
    write: Answer | None


class EnginePort(Observed):
    """
    A TCP port of an engine's API that a process listens on.

    `process` names the engine in the network namespace of which the port is, "" for the looking process's own; `net` is
    the inode of that namespace.
    """

    port: Port
    loopback: bool
    process: Text
    net: Number


class GuestApi(Observed):
    """The API that LXD and Incus give an instance: the result of a request, and how many `user.` settings it names."""

    path: AbsolutePath
    result: Fact[Answer]
    user_keys: Number
