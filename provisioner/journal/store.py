"""The folder of the journals, and their files: run_dir()/runs/<id>.jsonl.

In: names.  Out: open descriptors of journals that only this user (or root) could have written.  All else that stands in
the place of a journal is moved to runs/damaged/, and never read.  A record is written durably and whole, or not at all.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import stat
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from provisioner.errors import IsolationError
from provisioner.faults.explain import failed
from provisioner.files.folder import FILE, Folder
from provisioner.files.walk import FOLDER
from provisioner.paths import run_dir

MAX_BYTES = 2 << 30  # of one journal: it is read to its end
OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
DAMAGED = "damaged"
PATIENCE = 5.0  # seconds


class UnfitJournal(Exception):
    """What stands in the place of a journal is none: its text says why."""


class Store(Folder):
    """
    The folder of the journals, held open.

    Args:
        path: the folder.
        fd: its descriptor.
        aside: one line for each thing that was moved aside or put right.
    """

    def __init__(self, path: Path, fd: int, aside: Sequence[str] = ()) -> None:
        super().__init__(path, fd)
        self.aside = aside

    @classmethod
    def find(cls) -> Self | None:
        """Return the folder to read it, or None if it is missing or not this user's own."""
        path = run_dir() / "runs"
        try:
            return cls(path, _open_folder(path))
        except (OSError, UnfitJournal):
            return None

    @classmethod
    def prepare(cls) -> Self:
        """
        Open the folder; make it if it is missing, and move aside what is not this user's own folder.

        Raises:
            IsolationError: it cannot be made.
        """
        path = run_dir() / "runs"
        aside: list[str] = []
        try:
            try:
                fd = _make_folder(path)
            except UnfitJournal as error:
                other = path.with_name(f"{path.name}-{DAMAGED}-{secrets.token_hex(4)}")
                os.rename(path, other)
                aside.append(f"set aside '{path}' as '{other.name}': {error}")
                fd = _make_folder(path)
            if os.fstat(fd).st_mode & OTHERS_WRITE:
                os.fchmod(fd, 0o700)
                aside.append(f"set the mode of '{path}' to 0700: other users could write it")
        except UnfitJournal as error:
            raise IsolationError(f"cannot use folder '{path}': {error}", hint="delete it") from None
        except OSError as error:
            raise failed(f"cannot make folder '{path}'", error) from None
        return cls(path, fd, aside)

    def journals(self) -> list[str]:
        """Return the names of the journals."""
        return sorted(name for name in self.names() if name.endswith((".jsonl", ".new")))

    def open_journal(self, name: str) -> int:
        """
        Return a descriptor of a journal, to read it and to append to it.

        Raises:
            UnfitJournal: it is not a file that only this user or root could have written.
            OSError: it is gone, or cannot be opened.
        """
        kind = os.stat(name, dir_fd=self.fd, follow_symlinks=False).st_mode
        if not stat.S_ISREG(kind):
            raise UnfitJournal("it is not a regular file")  # a device is not even opened
        try:
            fd = os.open(name, os.O_RDWR | os.O_APPEND | FILE, dir_fd=self.fd)
        except PermissionError:
            raise UnfitJournal("this user may not read and write it") from None
        try:
            _check(os.fstat(fd))
        except BaseException:
            os.close(fd)
            raise
        return fd

    def set_aside(self, name: str) -> str:
        """Move a journal to the folder `damaged`; return its new name.  OSError if it cannot be moved."""
        with contextlib.suppress(FileExistsError):
            os.mkdir(DAMAGED, 0o700, dir_fd=self.fd)
        with self.folder(DAMAGED) as damaged:
            new = name if name not in damaged.names() else f"{secrets.token_hex(4)}-{name}"
            os.rename(name, new, src_dir_fd=self.fd, dst_dir_fd=damaged.fd)
        return f"{DAMAGED}/{new}"

    def make_journal(self, name: str) -> int:
        """
        Make a new journal, and return its descriptor.

        Raises:
            IsolationError: it cannot be made.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        try:
            return os.open(name, flags, 0o600, dir_fd=self.fd)
        except OSError as error:
            raise failed(f"cannot write a journal in '{self.path}'", error) from None

    def hold(self) -> None:
        """Hold the lock of a living run, shared with other runs, until the folder is closed."""
        until = time.monotonic() + PATIENCE
        while not self._lock(fcntl.LOCK_SH) and time.monotonic() < until:
            time.sleep(0.01)  # a prune deletes what runs share

    def hold_alone(self) -> bool:
        """Hold the lock that no living run permits, until the folder is closed; False if a run lives."""
        return self._lock(fcntl.LOCK_EX)

    def _lock(self, kind: int) -> bool:
        try:
            fcntl.flock(self.fd, kind | fcntl.LOCK_NB)
        except OSError:  # also a file system without locks
            return False
        return True


def append(fd: int, path: Path, *lines: Mapping[str, Any]) -> None:
    """
    Write records durably, or nothing of them.

    Args:
        fd: the journal's descriptor, opened with O_APPEND.
        path: the journal, for the error.
        lines: the records.

    Raises:
        IsolationError: there is no space, or another fault.
    """
    data = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    size = os.fstat(fd).st_size
    try:
        while data:
            data = data[os.write(fd, data) :]
        os.fsync(fd)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.ftruncate(fd, size)
        raise failed(f"cannot write the journal '{path}'", error) from None


def _make_folder(path: Path) -> int:
    with contextlib.suppress(FileExistsError):
        os.mkdir(path, 0o700)
    return _open_folder(path)


def _open_folder(path: Path) -> int:
    """Return a descriptor of the folder; UnfitJournal if it is none, or another user owns it."""
    try:
        fd = os.open(path, FOLDER)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            raise UnfitJournal("it is not a folder") from None
        raise
    owner = os.fstat(fd).st_uid
    if owner != os.geteuid():
        os.close(fd)
        raise UnfitJournal(f"it belongs to uid {owner}")
    return fd


def _check(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnfitJournal("it is not a regular file")
    if status.st_uid not in (0, os.geteuid()):
        raise UnfitJournal(f"it belongs to uid {status.st_uid}")
    if status.st_mode & OTHERS_WRITE:
        raise UnfitJournal("other users may write it")
    if status.st_nlink > 1:
        raise UnfitJournal("it has a second name")
    if status.st_size > MAX_BYTES:
        raise UnfitJournal("it is too large")
