"""Starts child processes on this machine, each in a session of its own, and holds their three streams.

In: the path of a program and its arguments.  Out: a `Child`, which is a `Stream` of local.py.
"""

from __future__ import annotations

import contextlib
import errno
import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import IO

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.faults.explain import failed

MAX_STDERR = 1 << 16
DAMAGED = (errno.ENOEXEC, errno.ENOENT)  # another architecture, an empty file; no such interpreter

# PR_SET_PDEATHSIG fires when the *thread* that forked ends (prctl(2)): this one thread, which lives as long as the
# interpreter, starts every child.
_SPAWNER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="isolation-spawner")


def start_child(path: str, argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | None) -> Child:
    """
    Start a program.

    Args:
        path: the program.
        argv: its arguments with its name.
        env: variables added to the environment.
        cwd: its working directory.

    Raises:
        IsolationError: it cannot be started.
    """
    child = _SPAWNER.submit(Child, path, argv, env, cwd)
    try:
        return child.result()
    except BaseException:  # an interrupt: nobody will hold the child that starts meanwhile
        child.add_done_callback(_discard)
        raise


def _discard(child: Future[Child]) -> None:
    if not child.exception():
        child.result().kill()


class Child:
    """A running child process: a `Stream` (local.py)."""

    def __init__(self, path: str, argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | None) -> None:
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
            why = failed(f"cannot run '{argv[0]}'", error)
            raise IsolationError(why.what, f"install '{path}' again" if error.errno in DAMAGED else why.hint) from None
        self.pid = self._process.pid
        assert self._process.stdin is not None
        os.set_blocking(self._process.stdin.fileno(), False)
        self._errors = bytearray()
        self._closing = threading.Lock()
        self._reading = threading.Lock()
        self._error_reader = threading.Thread(target=self._read_errors, daemon=True)
        try:
            self._error_reader.start()
        except RuntimeError:  # too little memory for a thread: nobody will hold this child
            self.kill()
            raise

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
