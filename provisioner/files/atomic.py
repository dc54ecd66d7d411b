"""Writes a file, or puts a folder in place, whole or not at all.

A reader sees the old content or the new one, never a part.  The new file is made in the same folder under a name of its
own (open(2): `O_EXCL`, so that a link that waits there is not followed) and then renamed (rename(2) is atomic).  The
folder is opened once, as the path leads; where another user can change the path, the caller opens a `Folder` itself.
Nothing is synced to the disk: these files are made again after a crash of the machine.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from provisioner.errors import IsolationError
from provisioner.files.folder import Folder, NotWritten
from provisioner.files.walk import LOOK


def write_whole(path: Path, data: bytes | str, mode: int | None = None) -> None:
    """
    Replace a file's content.

    Args:
        path: the file; its folder exists.  A link at `path` is replaced, not followed.
        data: the content; a text is written as UTF-8.
        mode: the file's permission bits, whatever the umask; None for 0666 less the umask, as open(2) does.

    Raises:
        OSError: the file cannot be written; what stood there before is unchanged.
    """
    content = data.encode() if isinstance(data, str) else data
    with writing_whole(path, mode, len(content)) as file:
        file.write(content)


@contextmanager
def writing_whole(path: Path, mode: int | None = None, needed: int = 0) -> Iterator[BinaryIO]:
    """
    Yield a file that replaces `path` when the block ends without an error; otherwise like `write_whole`.

    Args:
        path: the file; its folder exists.
        mode: as for `write_whole`.
        needed: the number of bytes that will be written, for the error; 0 if it is not known.
    """
    try:
        folder = _hold(path.parent)
    except OSError as error:
        raise NotWritten(error, path, needed) from None
    with folder, folder.writing_whole(path.name, mode, needed) as file:
        yield file


def replace_folder(fresh: Path, path: Path) -> None:
    """
    Rename a folder to its place and delete the folder that stood there.

    rename(2) does not replace a folder that holds anything: for a moment there is none at `path`.

    Args:
        fresh: the new folder, on the same file system.
        path: its place.

    Raises:
        OSError: it cannot be renamed; another process may have put one there.
    """
    old = f"{fresh.name}.old"
    with _hold(fresh.parent) as source, _hold(path.parent) as target:
        with suppress(FileNotFoundError):
            os.rename(path.name, old, src_dir_fd=target.fd, dst_dir_fd=source.fd)
        try:
            os.rename(fresh.name, path.name, src_dir_fd=source.fd, dst_dir_fd=target.fd)
        finally:
            with suppress(OSError, IsolationError):  # its name is temporary: a prune deletes it
                source.delete(old)


def _hold(path: Path) -> Folder:
    """Hold a folder by its descriptor, whoever can change the path to it."""
    return Folder(path, os.open(path, LOOK | os.O_DIRECTORY))
