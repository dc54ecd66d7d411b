"""The open descriptors of a process, the files behind them, and what leads out (process/descriptors.c, leads.c)."""

from __future__ import annotations

from typing import Literal

from provisioner.facts.forms import DeviceNumber, DevicePart, Pid
from provisioner.observed import Number, Observed, Text


class Fd(Observed):
    """One open descriptor and the text of its link in /proc/PID/fd."""

    fd: Number
    target: Text


class Handle(Observed):
    """
    The file behind a descriptor or a link of /proc/PID, and the mount that it was opened through.

    `mount` is the id in the first field of mountinfo (proc_pid_fdinfo(5)).  A mount that the process's own table does
    not hold is outside its root or its mount namespace.  `rdev` is a device node's number.
    """

    type: Literal["file", "dir", "symlink", "char", "block", "fifo", "socket", "other"]  # "other": an anonymous inode
    major: DevicePart
    minor: DevicePart
    inode: Number
    mount: Number
    rdev: DeviceNumber | None


class Lead(Observed):
    """
    A descriptor, folder or program of a process that leads out of its sandbox.

    It is on a mount that no mount table of the sandbox holds, or is a disk, or a namespace that the process is not in
    (namespaces(7)).  Pipes, sockets and files in memory are left out.

    `fd` is the descriptor's number, or "cwd", "root" or "exe".  `access` is what it was opened for; "path" is O_PATH.
    `holder` is a process outside the sandbox that is in the namespace; None if there is none.
    """

    fd: Text
    target: Text
    type: Literal["file", "dir", "symlink", "char", "block", "fifo", "socket", "other"]
    access: Literal["r", "w", "rw", "path"]
    major: DevicePart
    minor: DevicePart
    inode: Number
    rdev: DeviceNumber | None
    holder: Pid | None
