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
from pathlib import Path

from provisioner.errors import IsolationError

LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_LINKS = 40  # path_resolution(7)
ANYONE = "any user"


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
            writers = writers_of(os.fstat(held))
            _refuse(path, {who: where for who, where in leaders.items() if not shared or who not in writers})
        return os.open(".", FOLDER, dir_fd=held)
    finally:
        os.close(held)


def writers_of(status: os.stat_result) -> frozenset[str]:
    """Return who can replace the entries of a folder, apart from root and this user: "uid 1000", "gid 100"."""
    writers = _strangers(status)
    if not status.st_mode & stat.S_ISVTX:
        if status.st_mode & stat.S_IWGRP and status.st_gid != 0:
            writers.add(f"gid {status.st_gid}")
        if status.st_mode & stat.S_IWOTH:
            writers.add(ANYONE)
    return frozenset(writers)


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
            fd = os.open(name, LOOK, dir_fd=held)
            status = os.fstat(fd)
            if stat.S_ISLNK(status.st_mode):
                pending += reversed(Path(_read_link(fd)).parts)
                setters = _strangers(status) | (writers_of(os.fstat(held)) if only_links else set())
                leaders |= dict.fromkeys(setters, f"the link '{here / name}'")
                if (links := links + 1) > MAX_LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
                continue
            os.close(held)
            held, here = fd, here / name
            if not stat.S_ISDIR(status.st_mode):
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(here))
            place = f"'{here}' (uid {status.st_uid}, mode {stat.S_IMODE(status.st_mode):04o})"
            leaders = dict.fromkeys(() if only_links else writers_of(status), place) | leaders
    except BaseException:
        os.close(held)
        raise
    return held, leaders


def _strangers(status: os.stat_result) -> set[str]:
    return set() if status.st_uid in trusted() else {f"uid {status.st_uid}"}


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
