"""Deletes an entry of a folder by descriptors: a file, a link, or a whole tree, not through links or mounts.

In: the folder's descriptor and a name.  shutil.rmtree with `dir_fd` does not follow links either, but it enters mounts,
holds a descriptor for each level, and recurses: it fails in a deep tree.  Here one folder is open at a time.  The way
back is "..", and the folder there must be the one that was left: a folder that is moved meanwhile leads nowhere.
"""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.files.walk import FOLDER


@dataclass(frozen=True)
class _Level:
    """A folder that is being emptied: its name, its device and inode, and the subfolders that are left."""

    name: str
    identity: tuple[int, int]
    left: list[str]


def delete_entry(folder: int, name: str, shown: Path) -> bool:
    """
    Delete an entry.

    Args:
        folder: the folder's descriptor.
        name: the entry.
        shown: how messages name the entry.

    Returns:
        False if there is none.

    Raises:
        IsolationError: something is mounted in the tree, or the tree was moved meanwhile.
        OSError: it cannot be deleted.
    """
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        return False
    except IsADirectoryError:  # unlink(2): EISDIR on Linux
        with contextlib.suppress(FileNotFoundError):  # another process deletes it too
            _empty(os.open(name, FOLDER, dir_fd=folder), folder, shown)
            os.rmdir(name, dir_fd=folder)
    return True


def _empty(fd: int, folder: int, shown: Path) -> None:
    """
    Delete everything in a folder, and close its descriptor.

    Args:
        fd: its descriptor.
        folder: the descriptor of the folder that it is in.
        shown: how messages name it.
    """
    try:
        _check_mount(fd, folder, shown)
        levels = [_Level("", _identify(fd), _delete_files(fd))]
        while len(levels) > 1 or levels[0].left:
            left = levels[-1].left
            name = left.pop() if left else ".."
            try:
                outer, fd = fd, os.open(name, FOLDER, dir_fd=fd)
            except FileNotFoundError:  # another process deletes it too
                if name == "..":
                    raise
                continue
            try:
                if name != "..":
                    _check_mount(fd, outer, shown)
                    levels.append(_Level(name, _identify(fd), _delete_files(fd)))
                    continue
            finally:
                os.close(outer)
            done = levels.pop()
            if _identify(fd) != levels[-1].identity:
                raise IsolationError(f"cannot delete '{shown}': another process moves it")
            with contextlib.suppress(FileNotFoundError):
                os.rmdir(done.name, dir_fd=fd)
    finally:
        os.close(fd)


def _delete_files(folder: int) -> list[str]:
    """Delete all entries of a folder that are no folders, and return the others."""
    try:
        with os.scandir(folder) as scan:
            entries = list(scan)
    except FileNotFoundError:  # getdents(2): the folder itself is deleted
        return []
    folders = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(entry.name, dir_fd=folder)
    return folders


def _identify(fd: int) -> tuple[int, int]:
    status = os.fstat(fd)
    return status.st_dev, status.st_ino


def _check_mount(fd: int, outer: int, shown: Path) -> None:
    """Raise IsolationError if a folder is on another mount than the one it is in; a bind mount has the same device."""
    if _mount_id(fd) != _mount_id(outer):
        raise IsolationError(f"cannot delete '{shown}': something is mounted in it", hint="umount it first")


def _mount_id(fd: int) -> str:
    """Return a mount's id; proc_pid_fdinfo(5): field mnt_id.  On macOS, without bind mounts, the device."""
    if sys.platform != "linux":
        return str(os.fstat(fd).st_dev)
    text = Path(f"/proc/self/fdinfo/{fd}").read_text(encoding="utf-8")
    return next(line for line in text.splitlines() if line.startswith("mnt_id:"))
