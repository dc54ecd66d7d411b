"""The standard streams of a program: closed ones, full ones, and pipes that nobody reads.

In: the descriptors 0 to 2.  Out: streams that exist, and whether what was printed arrived.

A closed descriptor is opened at once: else the next file that is opened gets its number, and what is printed is written
into it (glibc does the same for set-user-ID programs: `__libc_check_standard_fds`).  It is /dev/null, opened so that it
cannot be read or written: the error is still that of a closed stream.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterable
from typing import TextIO

from provisioner.terminal import to_ascii


def open_closed_streams() -> None:
    """Open the standard descriptors that are closed, and make Python's streams of them."""
    for fd, flags in ((0, os.O_WRONLY), (1, os.O_RDONLY), (2, os.O_WRONLY)):  # errors are lost without a further one
        try:
            os.fstat(fd)
        except OSError:
            opened = os.open(os.devnull, flags)
            if opened == fd:
                os.set_inheritable(fd, True)
            else:
                os.dup2(opened, fd)
                os.close(opened)
    if sys.stdin is None:
        sys.stdin = open(0, encoding="locale", closefd=False)  # noqa: SIM115 - a standard stream
    if sys.stdout is None:
        sys.stdout = open(1, "w", encoding="locale", closefd=False)  # noqa: SIM115 - a standard stream
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="locale", closefd=False, errors="backslashreplace")  # noqa: SIM115 - a standard stream


def discard_output(fd: int = 1) -> None:
    """Send what is printed from now on, and what is still buffered, nowhere: Python flushes at its end."""
    with contextlib.suppress(OSError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, fd)
        os.close(null)


def print_error(line: str) -> None:
    """Write one line to standard error; where that is impossible too, nothing can be said."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stderr.write(f"{line}\n")
        sys.stderr.flush()


class Output:
    """
    Standard output that a program may lose: it goes on without, does its work, and asks for the error at its end.

    It stands in place of the stream, and has all that the stream has.

    Args:
        stream: the stream.

    Attributes:
        error: why it cannot be written, None while it can.
    """

    def __init__(self, stream: TextIO) -> None:
        self.error: OSError | None = None
        self._stream = stream

    def write(self, text: str) -> int:
        """Write a text, in ASCII where the stream's encoding lacks a character; return its length."""
        try:
            return self._write(text)
        except OSError as error:
            self._lose(error)
            return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """Write texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Flush the stream."""
        try:
            self._stream.flush()
        except OSError as error:
            self._lose(error)

    @property
    def why_lost(self) -> str:
        """The line for standard error; "" if all arrived, and for a pipe whose reader has read what it wanted."""
        if self.error is None or self.error.errno == errno.EPIPE:
            return ""
        cause = "it is closed" if self.error.errno == errno.EBADF else self.error.strerror
        mend = "free space there, or send it elsewhere" if self.error.errno == errno.ENOSPC else "send it elsewhere"
        return f"cannot write to standard output: {cause}; {mend}"

    def _write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except UnicodeEncodeError:  # TextIOWrapper encodes first: nothing is written yet
            return self._stream.write(to_ascii(text))

    def _lose(self, error: OSError) -> None:
        self.error = self.error or error
        with contextlib.suppress(OSError, ValueError):
            discard_output(self._stream.fileno())

    def __getattr__(self, name: str) -> object:
        return getattr(self._stream, name)
