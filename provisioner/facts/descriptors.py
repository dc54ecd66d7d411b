"""What a process holds and was given, as facts: files behind descriptors, environment names, terminal, device rules.

In: parts of the probe's document (probe/process/: descriptors.c, session.c, device_cgroup.c).
Out: classes that facts.py puts in place.
Touches no machine.
"""

from __future__ import annotations

from typing import Literal

from provisioner.observed import Items, Number, Observed, Text


class Handle(Observed):
    """
    The file behind a descriptor or a link of /proc/PID, and the mount that it was reached by.

    `mount` is the id that mountinfo would show in its first field (proc_pid_fdinfo(5)): one that the process's own
    table does not hold lies outside its root or its mount namespace.  `rdev` is a device node's number.
    """

    type: Text
    major: Number
    minor: Number
    inode: Number
    mount: Number
    rdev: list[Number] | None


class Terminal(Observed):
    """
    Session and controlling terminal, fields 6 and 7 of proc_pid_stat(5).

    `session` is 0 where its leader has no number in the reader's pid namespace; `tty` is 0 without a terminal.
    """

    session: Number
    tty: Number


class Device(Observed):
    """A device node below /dev.  `open` is the result of an open(O_RDONLY) that changes nothing; None: not tried."""

    path: Text
    kind: Literal["char", "block"]
    major: Number
    minor: Number
    open: Text | None


class Superblock(Observed):
    """A file system by its device number, which is the same in every mount table of one kernel."""

    major: Number
    minor: Number


class DeviceRules(Observed):
    """What rules its devices: the lines of v1's devices.list, or the ids of v2's programs, those above included."""

    version: Literal[1, 2]
    rules: Items[Text]
    programs: Items[Number]
