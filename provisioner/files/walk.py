"""Opens a folder step by step, and refuses a path on which another user can lead root elsewhere.

In: a path.  Out: the folder's descriptor.  Each component is opened below the one before it and looked at by its
descriptor; links are read by hand.  So what was checked is what is used.  Root asks of each folder what sshd's
StrictModes asks (sshd_config(5)): it belongs to root, and no other user may write it.  Sticky folders such as /tmp
pass: only its owner renames or deletes an entry there (unlink(2), EPERM).
"""

from __future__ import annotations

import errno
import os
import stat
import struct
from pathlib import Path

from provisioner.errors import IsolationError

# O_PATH is Linux's (open(2)); without it, as on macOS, links are read by their name, and a folder must be readable
HAS_PATH = hasattr(os, "O_PATH")
LOOK = getattr(os, "O_PATH", getattr(os, "O_SYMLINK", 0)) | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_LINKS = 40  # path_resolution(7)
ANYONE = "any user"
ACL = "system.posix_acl_access"
USER, GROUP_OBJ, GROUP, MASK = 0x02, 0x04, 0x08, 0x10
MAY_WRITE = 2


def open_folder(path: Path, shared: bool = False) -> int:
    """
    Return a descriptor of a folder.  Links on the way are followed.

    A user who is not root may use every folder: what is in it can harm only this user.

    Args:
        path: the folder.
        shared: whether root accepts a folder of another user.  Then those who can set a link on the way must be able
            to write the folder itself: nobody leads root to a folder that is closed to them.  Whoever moves a real
            folder to the way could already write the folder that it was in.

    Raises:
        IsolationError: another user can change the path.
        OSError: it does not exist, is not a folder, or cannot be read.
    """
    held, leaders = _walk(path, shared)
    try:
        if os.geteuid() == 0:
            writers = _writers(held)
            _refuse(path, {who: where for who, where in leaders.items() if not shared or who not in writers})
        return os.open(".", FOLDER, dir_fd=held)
    finally:
        os.close(held)


def trusted() -> frozenset[int]:
    """Return root, this user, and the owner of "/", who is root of the outer namespace in user_namespaces(7)."""
    return frozenset((0, os.geteuid(), os.stat("/").st_uid))


def _walk(path: Path, only_links: bool) -> tuple[int, dict[str, str]]:
    """Return an O_PATH descriptor of a folder, and who can change the way (or its links), each with one place."""
    leaders: dict[str, str] = {}
    pending, links = list(reversed(path.absolute().parts)), 0
    held, here = os.open("/", LOOK), Path("/")
    try:
        while pending:
            name = pending.pop()
            fd = _look(name, held)
            status = os.fstat(fd)
            if stat.S_ISLNK(status.st_mode):
                target = _read_link(fd) if HAS_PATH else os.readlink(name, dir_fd=held)
                pending += reversed(Path(target).parts)
                setters = _strangers(status) | (_writers(held) if only_links else set())
                leaders |= dict.fromkeys(setters, f"the link '{here / name}'")
                if (links := links + 1) > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
                continue
            os.close(held)
            held, here = fd, here / name
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(here))
            place = f"'{here}' (uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o})"
            leaders = dict.fromkeys(() if only_links else _writers(held), place) | leaders
    except BaseException:
        os.close(held)
        raise
    return held, leaders


def _look(name: str, folder: int) -> int:
    """Return an O_PATH descriptor of an entry, of a link itself.  An automount is mounted only for O_DIRECTORY."""
    try:
        return os.open(name, LOOK | os.O_DIRECTORY, dir_fd=folder)
    except NotADirectoryError:  # a link or a file
        return os.open(name, LOOK, dir_fd=folder)


def _strangers(status: os.stat_result) -> set[str]:
    return set() if status.st_uid in trusted() else {f"uid {status.st_uid}"}


def _writers(fd: int) -> set[str]:
    """Return who can replace the entries of a folder, apart from root and this user: "uid 1000", "gid 100"."""
    status = os.fstat(fd)
    writers = _strangers(status)
    if not status.st_mode & stat.S_ISVTX:
        if status.st_mode & stat.S_IWGRP:
            writers |= _group_writers(fd, status)
        if status.st_mode & stat.S_IWOTH:
            writers.add(ANYONE)
    return writers


def _group_writers(fd: int, status: os.stat_result) -> set[str]:
    """Return whom the group's bits let write: the group, or with a list those in it, up to its mask (acl(5))."""
    try:
        if not hasattr(os, "getxattr"):
            raise OSError(errno.ENOTSUP, os.strerror(errno.ENOTSUP))
        acl = os.getxattr(f"/proc/self/fd/{fd}", ACL)  # fgetxattr(2) takes no O_PATH descriptor
    except OSError:  # no list, or a file system without lists
        return {f"gid {status.st_gid}"} if status.st_gid else set()
    entries = list(struct.iter_unpack("<HHI", acl[4:]))  # linux/posix_acl_xattr.h: the version, then tag, bits, id
    mask = next((bits for tag, bits, _ in entries if tag == MASK), MAY_WRITE)
    names = {USER: "uid {}", GROUP: "gid {}", GROUP_OBJ: f"gid {status.st_gid}"}
    writers = {names[tag].format(id) for tag, bits, id in entries if tag in names and bits & mask & MAY_WRITE}
    return writers - {"gid 0", *(f"uid {uid}" for uid in trusted())}


def _read_link(fd: int) -> str:
    try:
        return os.readlink("", dir_fd=fd)  # readlinkat(2): "" is the link that the descriptor refers to
    finally:
        os.close(fd)


def _refuse(path: Path, leaders: dict[str, str]) -> None:
    for who, place in leaders.items():
        raise IsolationError(
            f"cannot use folder '{path}': {who} can change {place}",
            hint="chown it to root and chmod go-w, or use another folder",
        )
