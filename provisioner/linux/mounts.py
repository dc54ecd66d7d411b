"""Reads the mount table of this process, and unmounts.

In: /proc/self/mountinfo (proc_pid_mountinfo(5)).  Out: `MountPoint`s.  Links are not followed when unmounting.
"""

from __future__ import annotations

import ctypes
import os
import re
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import IsolationError

MNT_DETACH = 2
UMOUNT_NOFOLLOW = 8
EINVAL = 22
ENOENT = 2


@dataclass(frozen=True)
class MountPoint:
    """One line of mountinfo: the root within the file system, the mount point, the type and the super options."""

    root: str
    target: Path
    fstype: str
    options: tuple[str, ...]


def parse_mountinfo(text: str) -> list[MountPoint]:
    """Parse the text of mountinfo; the order stays, octal escapes are decoded."""
    found = []
    for line in text.splitlines():
        left, _, right = line.partition(" - ")
        fields, tail = left.split(" "), right.split(" ")
        if len(fields) >= 6 and len(tail) >= 3:
            options = tuple(tail[2].split(","))
            found.append(MountPoint(_unescape(fields[3]), Path(_unescape(fields[4])), tail[0], options))
    return found


def read_mounts() -> list[MountPoint]:
    """Return the mounts that this process sees."""
    return parse_mountinfo(Path("/proc/self/mountinfo").read_text(errors="surrogateescape"))


def mounted_below(folder: Path) -> list[Path]:
    """Return the mount points at or below a folder, the deepest first."""
    folder = folder.resolve()
    found = [mount.target for mount in read_mounts() if mount.target == folder or folder in mount.target.parents]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def unmount(path: Path) -> bool:
    """
    Detach the mount at a path.

    Returns:
        False if nothing is mounted there.

    Raises:
        IsolationError: the kernel refuses.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.umount2(os.fsencode(path), MNT_DETACH | UMOUNT_NOFOLLOW) == 0:
        return True
    errno = ctypes.get_errno()
    if errno in (EINVAL, ENOENT):
        return False
    raise IsolationError(f"cannot unmount '{path}': {os.strerror(errno)}", hint="run as the user who mounted it")


def unmount_below(folder: Path) -> int:
    """Detach all mounts at or below a folder, the deepest first; return their number."""
    return sum(unmount(path) for path in mounted_below(folder))


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
