"""A folder that is held by its descriptor: no rename and no symbolic link leads root elsewhere.

In: a path once, then names of entries.  Out: files, folders and changes of them, each made relative to the descriptor.
An entry is opened with O_NOFOLLOW, checked with fstat(2), and changed by its own descriptor: fchown(2), fchmod(2).
A name holds no "/", so openat(2) needs no RESOLVE_BENEATH and no RESOLVE_NO_SYMLINKS: openat2(2) would add a system
call without a wrapper in Python, and would not show the owner of each folder on the way (walk.py).

Rule for folders that a less privileged process uses: root owns the folder, the process owns single files in it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Self

from provisioner.errors import IsolationError
from provisioner.files.delete import delete_entry
from provisioner.files.maker import temporary_name
from provisioner.files.walk import FOLDER, open_folder, trusted

FILE = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY  # O_NONBLOCK: a FIFO in its place does not block


class NotWritten(OSError):
    """
    A file could not be written: the error of write(2), which names no file.

    Args:
        error: that error.
        path: the file.
        needed: the bytes that were to be written.
    """

    def __init__(self, error: OSError, path: str | Path, needed: int) -> None:
        super().__init__(error.errno, error.strerror, str(path))
        self.needed = needed


class Folder:
    """
    An open folder; a context manager that closes it.

    Args:
        path: how messages name it.
        fd: its descriptor, which this object closes.
    """

    def __init__(self, path: Path, fd: int) -> None:
        self.path = path
        self.fd = fd

    @classmethod
    def open(cls, path: Path, shared: bool = False) -> Self:
        """
        Open a folder.  Links on the way are followed.

        Args:
            path: the folder.
            shared: whether root accepts a folder of another user, such as a report's.  Then those who can set a link
                on the way must be able to write the folder itself.

        Raises:
            IsolationError: this process is root, and another user can change the path.
            OSError: it does not exist, is not a folder, or cannot be read.
        """
        return cls(path, open_folder(path, shared))

    @classmethod
    def make(cls, path: Path, mode: int | None, shared: bool = False) -> Self:
        """
        Open a folder.  Make it if it is missing, and its parents.

        Args:
            path: the folder.
            mode: its permission bits if it is made here, whatever the umask; None for 0755 less the umask, as parents
                get it.
            shared: as in `open`, with None: a parent's user may put another folder of root there before a chmod.

        Raises:
            IsolationError: this process is root, and another user can change the path.
            OSError: it cannot be made.
        """
        with suppress(FileNotFoundError):
            return cls.open(path, shared)
        with cls.make(path.absolute().parent, None, shared) as parent:
            try:
                os.mkdir(path.name, 0o755 if mode is None else 0o700, dir_fd=parent.fd)
            except FileExistsError:
                return cls.open(path, shared)  # another process was faster
            made = cls(path, os.open(path.name, FOLDER, dir_fd=parent.fd))
        try:
            if mode is not None:
                os.fchmod(made.fd, mode)
        except BaseException:
            made.close()
            raise
        return made

    def folder(self, name: str) -> Folder:
        """Open a subfolder; OSError if it is missing or a link."""
        return Folder(self.path / name, os.open(_entry(name), FOLDER, dir_fd=self.fd))

    def make_folder(self, name: str, mode: int | None) -> Folder:
        """
        Open a subfolder; make it if it is missing.

        Args:
            name: the entry.
            mode: its permission bits, whatever the umask.  None for a subfolder that may belong to another user; it
                gets 0755 less the umask if it is made here.

        Raises:
            IsolationError: it belongs to another user.
            OSError: it is a link or no folder, or cannot be made.
        """
        with suppress(FileExistsError):
            os.mkdir(_entry(name), 0o755 if mode is None else mode & 0o700, dir_fd=self.fd)
        folder = self.folder(name)
        if mode is None:
            return folder
        try:
            _check_owner(folder.path, os.fstat(folder.fd), trusted())
            os.fchmod(folder.fd, mode)
        except BaseException:
            folder.close()
            raise
        return folder

    def open_file(self, name: str, flags: int = os.O_RDONLY, mode: int = 0o600) -> int:
        """
        Return a descriptor of a regular file.

        Args:
            name: the entry; a link is refused.
            flags: as for open(2); O_NOFOLLOW, O_CLOEXEC and O_NONBLOCK are added.
            mode: the permission bits of a file that is made here, less the umask.

        Raises:
            OSError: it cannot be opened.
            IsolationError: it is not a regular file.
        """
        fd = os.open(_entry(name), flags | FILE, mode, dir_fd=self.fd)
        if stat.S_ISREG(os.fstat(fd).st_mode):
            return fd
        os.close(fd)
        raise IsolationError(f"cannot open '{self.path / name}': it is not a regular file")

    def read(self, name: str, limit: int) -> bytes:
        """Return at most `limit` bytes of a regular file; errors as `open_file`."""
        with open(self.open_file(name), "rb") as file:
            return file.read(limit)

    def names(self) -> list[str]:
        """Return the names of all entries."""
        return os.listdir(self.fd)

    def status(self, name: str) -> os.stat_result | None:
        """Return the status of an entry, of a link itself; None if there is no entry."""
        try:
            return os.stat(_entry(name), dir_fd=self.fd, follow_symlinks=False)
        except FileNotFoundError:
            return None

    def rename(self, old: str, new: str) -> None:
        """Give an entry another name in this folder; a file or link of that name is replaced."""
        os.rename(_entry(old), _entry(new), src_dir_fd=self.fd, dst_dir_fd=self.fd)

    def delete(self, name: str) -> bool:
        """Delete a file, a link or a whole tree, not through links or mounts; False if there is none."""
        return delete_entry(self.fd, _entry(name), self.path / name)

    def write_whole(self, name: str, data: bytes | str, mode: int | None = None) -> None:
        """
        Replace a file's content, whole or not at all.

        Args:
            name: the entry.  A link is replaced, not followed.
            data: the content; a text is written as UTF-8.
            mode: the file's permission bits, whatever the umask; None for 0666 less the umask, as open(2) does.

        Raises:
            OSError: the file cannot be written; the old content is unchanged.
        """
        content = data.encode() if isinstance(data, str) else data
        with self.writing_whole(name, mode, len(content)) as file:
            file.write(content)

    @contextmanager
    def writing_whole(self, name: str, mode: int | None = None, needed: int = 0) -> Iterator[BinaryIO]:
        """
        Yield a file that replaces an entry when the block ends without an error; otherwise like `write_whole`.

        Args:
            name: the entry.
            mode: as for `write_whole`.
            needed: the number of bytes that will be written, for the error; 0 if it is not known.
        """
        try:
            with self._writing_whole(name, mode) as file:
                yield file
        except NotWritten:
            raise  # of another file that is written meanwhile
        except OSError as error:
            raise NotWritten(error, self.path / name, needed) from None

    @contextmanager
    def _writing_whole(self, name: str, mode: int | None) -> Iterator[BinaryIO]:
        name, fresh = _entry(name), temporary_name()
        fd = self.open_file(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666 if mode is None else mode & 0o700)
        try:
            with open(fd, "wb") as file:
                yield file
                if mode is not None:
                    os.fchmod(file.fileno(), mode)
            self.rename(fresh, name)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(fresh, dir_fd=self.fd)
            raise

    def hand_over(self, name: str, uid: int, gid: int, mode: int) -> None:
        """
        Give a regular file to a user.

        Args:
            name: the entry.
            uid: its new owner.
            gid: its new group.
            mode: its permission bits.

        Raises:
            IsolationError: it is not a regular file, has a second name (link(2)), or belongs to a third user.
            OSError: it is missing or a link.
        """
        with open(self.open_file(name), "rb") as file:
            status = os.fstat(file.fileno())
            _check_owner(self.path / name, status, trusted() | {uid})
            if status.st_nlink != 1 and status.st_uid != uid:
                raise IsolationError(f"cannot hand over '{self.path / name}': it has a second name", hint="delete it")
            os.fchown(file.fileno(), uid, gid)
            os.fchmod(file.fileno(), mode)

    def close(self) -> None:
        """Close the descriptor; safe to repeat."""
        if self.fd >= 0:
            os.close(self.fd)
            self.fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _entry(name: str) -> str:
    if not name or "/" in name or name in (".", ".."):
        raise ValueError(f"not the name of an entry: {name!r}")
    return name


def _check_owner(path: Path, status: os.stat_result, owners: frozenset[int]) -> None:
    if status.st_uid not in owners:
        raise IsolationError(f"cannot use '{path}': it belongs to uid {status.st_uid}", hint="delete it")
