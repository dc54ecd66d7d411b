"""What a look at things outside came to: a canary process, IPC objects, a keyring, sockets and ports of engines.

In: the sections `canary`, `objects`, `keys`, `sockets` and `ports` of a document (probe/system/reach.c and sockets.c).
Out: frozen objects, parts of facts.py's `System`.  Touches no machine.
"""

from __future__ import annotations

from provisioner.observed import Fact, Number, Observed, Text, since_schema


class Canary(Observed):
    """
    A process outside, of the host's or of another sandbox, that must be out of reach.

    `signal` is the result of kill(pid, 0); `same` says whether /proc/PID/cmdline holds the canary's nonce, so that
    another process of that number is not taken for it.  `environ` and `maps` are the results of opening these files of
    /proc/PID for reading, where the kernel checks ptrace(2)'s access mode; nothing is read of them.
    """

    pid: Number
    signal: Text
    same: Fact[bool]
    environ: Fact[Text] = since_schema()
    maps: Fact[Text] = since_schema()


class Objects(Observed):
    """
    IPC objects that the host made for this run, and what reaching for each came to: "ok", an errno's name, "SIGSYS".

    `shm` is shmget(2) of the segment's key, `mqueue` mq_open(3) and `abstract` connect(2) to the listener of `name`.
    """

    name: Text
    shm: Fact[Text]
    mqueue: Fact[Text]
    abstract: Fact[Text]


class Keys(Observed):
    """The session keyring: what keyctl_get_keyring_ID(3) came to, and its serial; None: it was refused."""

    session: Fact[Text]
    serial: Number | None


class Socket(Observed):
    """
    A unix socket on a path.

    `mount` is the mount point that it is, or lies in; None: a well-known path that was looked at.  `bound`: a
    process of the looker's own network namespace has bound this path (/proc/net/unix).
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
    A TCP port of an engine's API that somebody listens on.

    `process` names the engine whose network namespace was looked into, "" for the looker's own; `net` is the inode of
    that namespace.
    """

    port: Number
    loopback: bool
    process: Text
    net: Number


class GuestApi(Observed):
    """The API that LXD and Incus give an instance: what asking it came to, and how many `user.` settings it names."""

    path: Text
    result: Fact[Text]
    user_keys: Number
