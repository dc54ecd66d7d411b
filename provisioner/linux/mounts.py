"""Reads the mount table of this process, and unmounts.

In: /proc/self/mountinfo (proc_pid_mountinfo(5)).  Out: `MountPoint`s.  No link is followed when unmounting: a folder on
the way may belong to a sandbox's user, who could lead root to a mount of the host.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.files.walk import LOOK

MNT_DETACH = 2


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
    return parse_mountinfo(Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape"))


def mounted_below(folder: Path) -> list[Path]:
    """Return the mount points at or below a folder, the deepest first."""
    folder = folder.resolve()
    found = [mount.target for mount in read_mounts() if mount.target == folder or folder in mount.target.parents]
    return sorted(found, key=lambda path: len(path.parts), reverse=True)


def unmount(path: Path) -> bool:
    """
    Detach the mount at a path.

    Args:
        path: as mountinfo has it: absolute, without links.

    Returns:
        False if nothing is mounted there, or a link is on the way.

    Raises:
        IsolationError: the kernel refuses.
    """
    try:
        fd = _open_exactly(path)
    except (FileNotFoundError, NotADirectoryError):
        return False
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.umount2(f"/proc/self/fd/{fd}".encode(), MNT_DETACH) == 0:
            return True
    finally:
        os.close(fd)
    refusal = ctypes.get_errno()
    if refusal == errno.EINVAL:
        return False
    raise IsolationError(f"cannot unmount '{path}': {os.strerror(refusal)}", hint="run as the user who mounted it")


def _open_exactly(path: Path) -> int:
    """Return a descriptor of what a path names; of a link itself, below which nothing can be opened (ENOTDIR)."""
    held = os.open("/", LOOK)
    for name in path.parts[1:]:
        try:
            below = os.open(name, LOOK, dir_fd=held)
        finally:
            os.close(held)
        held = below
    return held


def unmount_below(folder: Path) -> int:
    """Detach all mounts at or below a folder, the deepest first; return their number."""
    return sum(unmount(path) for path in mounted_below(folder))


def _unescape(text: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)
