"""The mount table of a process, and the file system below its root (process/mounts.c)."""

from __future__ import annotations

from pydantic import Field

from provisioner.facts.forms import AbsolutePath, DevicePart, MountPoint, MountRoot, MountTag
from provisioner.observed import Number, Observed, Text


class OverlayFolder(Observed):
    """
    A folder of an overlay, and where it is on the host.

    Symbolic links lead where they led when the host looked: one that was turned after the mount is not told.
    """

    option: Text  # "lowerdir" (overlayfs.rst)
    name: AbsolutePath  # as the option names it
    path: AbsolutePath  # without symbolic links


class Mount(Observed):
    """One line of /proc/PID/mountinfo (proc_pid_mountinfo(5)), octal escapes undone."""

    id: Number
    parent: Number
    major: DevicePart
    minor: DevicePart
    root: MountRoot
    target: MountPoint
    options: list[Text]
    tags: list[MountTag]  # "shared:3", "master:1", "propagate_from:2", "unbindable"
    fstype: Text
    source: Text
    super_options: list[Text]
    folders: list[OverlayFolder] = Field(default_factory=list)  # only outside, and of those that are there


class Superblock(Observed):
    """A file system by its device number, which is the same in every mount table of one kernel."""

    major: DevicePart
    minor: DevicePart
