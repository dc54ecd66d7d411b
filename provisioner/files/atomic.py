"""Writes a file, or puts a folder in place, whole or not at all.

A reader sees the old content or the new one, never a part.  The new file is made in the same folder under a name of its
own (open(2): `O_EXCL`, so that a link that waits there is not followed) and then renamed (rename(2) is atomic).
Nothing is synced to the disk: these files are made again after a crash of the machine.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO


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
    with writing_whole(path, mode) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextmanager
def writing_whole(path: Path, mode: int | None = None) -> Iterator[BinaryIO]:
    """Yield a file that replaces `path` when the block ends without an error; like `write_whole` otherwise."""
    fresh = path.with_name(f".{path.name}-{secrets.token_hex(4)}")
    fd = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666 if mode is None else mode & 0o700)
    try:
        with open(fd, "wb") as file:
            yield file
            if mode is not None:
                os.fchmod(file.fileno(), mode)
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise


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
    old = fresh.with_name(f"{fresh.name}.old")
    with suppress(FileNotFoundError):
        path.rename(old)
    try:
        fresh.rename(path)
    finally:
        shutil.rmtree(old, ignore_errors=True)
