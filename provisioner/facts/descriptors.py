"""The open descriptors of a process, and the files behind them (process/fds.c, descriptors.c)."""

from __future__ import annotations

from typing import Literal

from provisioner.facts.forms import DeviceNumber, DevicePart
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
