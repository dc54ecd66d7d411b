"""Runs commands: the interfaces of a connection, and the connection to this machine.

In: argument lists.  Out: `Completed` (a finished command) or `Stream` (a running one with its three streams).  No shell
is used.
"""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Protocol

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError

MAX_STDOUT = 1 << 21
MAX_STDERR = 1 << 16

# PR_SET_PDEATHSIG fires when the *thread* that forked ends (prctl(2)): this one thread, which lives as long as the
# interpreter, starts every child.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="isolation-spawner")


@dataclass(frozen=True)
class Completed:
    """A finished command: its arguments, exit status (negative: a signal) and bounded output."""

    argv: tuple[str, ...]
    status: int
    stdout: bytes
    stderr: bytes

    @property
    def last_words(self) -> str:
        """The last line of its standard error that is not empty, else of its standard output, else its status."""
        return last_line(self.stderr) or last_line(self.stdout) or f"exit status {self.status}"


class ConnectionLost(IsolationError):
    """The connection to a machine ended before a command did, or cannot be opened again."""


class Stream(Protocol):
    """A running command and its attached standard streams."""

    pid: int

    def write(self, data: bytes) -> None:
        """Write all of `data` to its standard input; OSError if the other end is gone or does not read in time."""

    def read(self) -> bytes:
        """Return the next bytes of its standard output, b"" at its end."""

    def end_input(self) -> None:
        """Close its standard input."""

    def errors(self) -> bytes:
        """Return what it wrote to its standard error so far, at most MAX_STDERR bytes."""

    def wait(self, seconds: float) -> int | None:
        """Return its exit status, or None if it does not end within `seconds`."""

    def kill(self) -> None:
        """Kill it and its process group and close its streams; a second call does nothing."""


class Connection(Protocol):
    """A host on which runtime commands run."""

    name: str

    def find(self, binary: str) -> str | None:
        """Return the path of a program, or None if it is not installed."""

    def run(self, argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None) -> Completed:
        """
        Run a command without input to its end.

        Args:
            argv: the program and its arguments.
            timeout: seconds that it may take.
            env: variables added to the environment.

        Raises:
            IsolationError: it cannot be started, or does not end in time.
        """

    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: str | None = None) -> Stream:
        """
        Start a command with its three streams attached.

        Args:
            argv: the program and its arguments.
            env: variables added to the environment.
            cwd: its working directory.

        Raises:
            IsolationError: it cannot be started.
        """


class LocalConnection:
    """Commands on this machine, as this user."""

    name = "local"

    def find(self, binary: str) -> str | None:
        return find_program(binary)

    def run(self, argv: Sequence[str], timeout: float, env: Mapping[str, str] | None = None) -> Completed:
        stream = self.start(argv, env)
        stream.end_input()
        collected = bytearray()
        reader = threading.Thread(target=_collect, args=(stream, collected), daemon=True)
        reader.start()
        try:
            status = stream.wait(timeout)
            if status is None:
                raise IsolationError(
                    f"cannot run '{argv[0]}': no end after {timeout:.0f} s",
                    hint="raise isolation_timeout_scale on a slow machine",
                    log=" ".join(argv),
                )
            reader.join(5)
            return Completed(tuple(argv), status, bytes(collected), stream.errors())
        finally:
            stream.kill()

    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: str | None = None) -> Stream:
        return _SPAWNER.submit(_LocalStream, tuple(argv), env, cwd).result()


class _LocalStream:
    def __init__(self, argv: tuple[str, ...], env: Mapping[str, str] | None, cwd: str | None) -> None:
        path = find_program(argv[0])
        if path is None:
            raise IsolationError(f"cannot run '{argv[0]}': no such program on PATH", hint=f"install {argv[0]}")
        try:
            self._process = subprocess.Popen(
                [path, *argv[1:]],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                env={**os.environ, **env} if env else None,
                cwd=cwd,
                start_new_session=True,  # Ctrl-C in the terminal must not reach a sandbox
            )
        except OSError as error:
            raise IsolationError(f"cannot run '{argv[0]}': {error.strerror}") from None
        self.pid = self._process.pid
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._errors = bytearray()
        self._closing = threading.Lock()
        self._reading = threading.Lock()
        self._error_reader = threading.Thread(target=self._read_errors, daemon=True)
        self._error_reader.start()

    def _read_errors(self) -> None:
        pipe = self._process.stderr
        assert pipe is not None
        with pipe:
            for chunk in iter(lambda: _read(pipe), b""):
                self._errors += chunk[: MAX_STDERR - len(self._errors)]

    def write(self, data: bytes) -> None:
        pipe = self._process.stdin
        assert pipe is not None
        view = memoryview(data)
        until = time.monotonic() + deadline("write")
        while view:
            written = pipe.write(view)  # None: the pipe is full
            view = view[written or 0 :]
            if written is None and not _writable(pipe, until - time.monotonic()):
                raise TimeoutError("the other end does not read")

    def read(self) -> bytes:
        pipe = self._process.stdout
        assert pipe is not None
        with self._reading:
            chunk = _read(pipe)
            if not chunk:
                pipe.close()
            return chunk

    def end_input(self) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # close() of a broken pipe fails, and closes it
            self._process.stdin.close()

    def errors(self) -> bytes:
        if self._process.poll() is not None:
            self._error_reader.join(0.5)
        return bytes(self._errors)

    def wait(self, seconds: float) -> int | None:
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        with self._closing:
            if self._process.poll() is None:
                # with its process group: the helpers of a client would stay and hold its pipes
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self.pid, signal.SIGKILL)
                self._process.send_signal(signal.SIGKILL)
                self.wait(10)
            self.end_input()
            # closing it during a blocked read would give its number to another file: then the reader closes it
            if self._reading.acquire(blocking=False):
                assert self._process.stdout is not None
                self._process.stdout.close()
                self._reading.release()


def find_program(binary: str) -> str | None:
    """Return the path of a program on PATH or in the sbin folders, which users' PATHs often lack."""
    extra = os.pathsep.join(("/usr/local/sbin", "/usr/sbin", "/sbin"))
    return shutil.which(binary, path=os.environ.get("PATH", os.defpath) + os.pathsep + extra)


HELP = re.compile(r"(See|Run) '.*--help'")  # docker ends every refusal with such a line


def last_line(text: bytes) -> str:
    """Return the last line of a command's output that is not empty, made printable, at most 300 characters."""
    lines = [line.strip() for line in text.decode("utf-8", "backslashreplace").splitlines() if line.strip()]
    lines = [line for line in lines if not HELP.match(line)] or lines
    return "".join(c if c.isprintable() else "?" for c in lines[-1])[:300] if lines else ""


def _read(pipe: IO[bytes]) -> bytes:
    try:
        return pipe.read(1 << 16) or b""
    except (OSError, ValueError):  # ValueError: closed by kill() meanwhile
        return b""


def _writable(pipe: IO[bytes], seconds: float) -> bool:
    """Wait until a full pipe takes bytes or its reader is gone; False after `seconds`."""
    poll = select.poll()  # not select(): it takes no descriptor above 1023
    poll.register(pipe, select.POLLOUT)
    return bool(poll.poll(max(0.0, seconds) * 1000))


def _collect(stream: Stream, into: bytearray) -> None:
    """Read to the end, so that the command can end, but keep at most MAX_STDOUT bytes."""
    for chunk in iter(stream.read, b""):
        into += chunk[: max(0, MAX_STDOUT - len(into))]
