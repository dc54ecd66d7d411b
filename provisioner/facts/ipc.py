"""Tries to reach things outside: a canary process, IPC objects, a keyring, sockets and ports of engines.

The sections `canary`, `peers`, `objects`, `keys`, `sockets`, `ports` and `guest_api` (system/reach.c, sockets.c).
"""

from __future__ import annotations

from provisioner.observed import Fact, Number, Observed, Text, since_schema


class Canary(Observed):
    """
    A process of the host or of another sandbox that must be out of reach.

    `signal` is the result of kill(pid, 0); `same` says whether /proc/PID/cmdline holds the canary's nonce, so that
    another process with that number is not mistaken for it.  `environ` and `maps` are the results of opening these
    files of /proc/PID for reading, where the kernel checks ptrace(2)'s access mode; their contents are not read.
    """

    pid: Number
    signal: Text
    same: Fact[bool]
    environ: Fact[Text] = since_schema()
    maps: Fact[Text] = since_schema()


class Objects(Observed):
    """
    IPC objects that the host made for this run, and the result of opening each: "ok", an errno's name, "SIGSYS".

    `shm` is shmget(2) of the segment's key, `mqueue` mq_open(3) and `abstract` connect(2) to the listener of `name`.
    """

    name: Text
    shm: Fact[Text]
    mqueue: Fact[Text]
    abstract: Fact[Text]


class Keys(Observed):
    """The session keyring: the result of keyctl_get_keyring_ID(3), and its serial; None if the call was refused."""

    session: Fact[Text]
    serial: Number | None


class Socket(Observed):
    """
    A unix socket on a path.

    `mount` is the mount point that it is or lies below; None for a well-known path that was tried.  `bound` says
    whether a process in the looking process's network namespace has bound this path (/proc/net/unix).
    """

    path: Text
    mount: Text | None
    device: list[Number]  # major, minor of its file system
    inode: Number
    uid: Number
    gid: Number
    mode: Number
    bound: bool


class EnginePort(Observed):
    """
    A TCP port of an engine's API that a process listens on.

    `process` names the engine in the network namespace of which the port is, "" for the looking process's own; `net` is
    the inode of that namespace.
    """

    port: Number
    loopback: bool
    process: Text
    net: Number


class GuestApi(Observed):
    """The API that LXD and Incus give an instance: the result of a request, and how many `user.` settings it names."""

    path: Text
    result: Fact[Text]
    user_keys: Number
