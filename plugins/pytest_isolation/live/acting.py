"""How a test acts in a sandbox: it runs programs, and reads, writes and copies files.

In: a function that sends a request to the probe inside.
Out: `Acting`, which `sandbox`, `peer` and what `sandbox_factory` makes share, and `Completed`.
What could not be done raises an IsolationError, which is the verdict `unknown`: never a status that a test may take
for "blocked".
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from provisioner.errors import IsolationError
from provisioner.probe.request import Reply

OUTPUT = 16 << 20  # the most bytes that a program may write
CONTENT = 64 << 20  # the most bytes of a file
SECONDS = 30.0
# what the probe says where execve(2) fails: probe/acts/run.c
_NOT_STARTED = re.compile(r"probe: (cannot execute .+)\n?", re.DOTALL)
_NOT_STARTED_STATUS = ("exit 69", "exit 71")
USERLAND = 'an image has the programs that it is made of: sandbox_factory(image="debian") has python3, ps, ip and dpkg'


class NotStarted(IsolationError):
    """A program could not be started: there is none of this name, or it may not be executed."""


class TimedOut(IsolationError):
    """A program did not end in time; it was killed with its process group."""


@dataclass(frozen=True)
class Completed:
    """
    A program that has ended, as subprocess.CompletedProcess.

    Attributes:
        args: the program and its arguments.
        returncode: its exit status; -N if signal N ended it.
        stdout: what it wrote to standard output, as text.
        stderr: what it wrote to standard error, as text.
    """

    args: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str

    @property
    def ended(self) -> str:
        """How it ended in words: "exit 0", "signal 9"."""
        return f"exit {self.returncode}" if self.returncode >= 0 else f"signal {-self.returncode}"


def completed(argv: tuple[str, ...], reply: Reply, where: str, timeout: float) -> Completed:
    """
    Return what a program came to.

    Args:
        argv: the program and its arguments.
        reply: the probe's answer to the request that runs it.
        where: the sandbox's name, for errors.
        timeout: the most seconds that it might take.

    Raises:
        NotStarted: it could not be started.
        TimedOut: it did not end in time.
        IsolationError: the sandbox ended, or the program wrote too much.
    """
    __tracebackhide__ = True
    stdout, stderr = (part.decode("utf-8", "replace") for part in (reply.data, reply.log))
    if reply.ended in _NOT_STARTED_STATUS and (refused := _NOT_STARTED.fullmatch(stderr)):
        raise NotStarted(f"{refused[1]} in '{where}'", USERLAND if reply.ended == "exit 69" else "", stderr)
    if ended := re.fullmatch(r"(exit|signal) (\d+)", reply.ended):
        number = int(ended[2])
        return Completed(argv, number if ended[1] == "exit" else -number, stdout, stderr)
    what = f"cannot run '{argv[0]}' in '{where}' to its end"
    if reply.ended == "deadline":
        raise TimedOut(f"{what}: it took more than {timeout:g} s", "give it more: timeout=SECONDS", stderr)
    if reply.ended == "too much output":
        raise IsolationError(f"{what}: it wrote more than {OUTPUT >> 20} MiB", "let it write less", stderr)
    raise IsolationError(f"{what}: {reply.ended}", "see whether it ended the sandbox", stderr)


class Acting:
    """
    A sandbox that a test acts in.

    Subclasses name the sandbox by `acting_name` and send requests by `send`.
    """

    @property
    def acting_name(self) -> str:
        """The sandbox's name, for errors."""
        raise NotImplementedError

    @property
    def send(self) -> Callable[..., Reply]:
        """The function that sends a request to the probe inside: `Sandbox.request`."""
        raise NotImplementedError

    def run(self, *argv: str, stdin: str | bytes = b"", timeout: float = SECONDS) -> Completed:
        """
        Run a program in the sandbox, and return how it ended and what it wrote.

        Args:
            argv: the program, found by PATH, and its arguments; no shell interprets them.
            stdin: its standard input.
            timeout: the most seconds that it may take.

        Raises:
            NotStarted: the program could not be started: the test is `unknown`.
            TimedOut: it did not end in time: the test is `unknown`.
            IsolationError: the sandbox does not answer: the test is `unknown`.

        Example:
            def test_probe_runs_inside(sandbox_factory):
                shell = sandbox_factory(image="shell")
                assert shell.run("sh", "-c", "echo $((6 * 7))").stdout == "42\\n"
        """
        __tracebackhide__ = True  # the test's own line is what counts
        data = stdin.encode() if isinstance(stdin, str) else stdin
        reply = self._sent("run", *argv, data=data, bound=OUTPUT, seconds=timeout)
        return completed(argv, reply, self.acting_name, timeout)

    def read_bytes(self, path: str | os.PathLike[str]) -> bytes:
        """
        Return a file's content.

        Args:
            path: its path inside.

        Raises:
            IsolationError: it cannot be read: the test is `unknown`.
        """
        __tracebackhide__ = True
        return self._file("read", os.fspath(path), bound=CONTENT)

    def read_text(self, path: str | os.PathLike[str]) -> str:
        """
        Return a file's content as UTF-8 text.

        Args:
            path: its path inside.

        Raises:
            IsolationError: it cannot be read: the test is `unknown`.

        Example:
            def test_its_own_hostname(sandbox):
                assert sandbox.read_text("/proc/sys/kernel/ostype") == "Linux\\n"
        """
        __tracebackhide__ = True
        return self.read_bytes(path).decode("utf-8", "replace")

    def write_bytes(self, path: str | os.PathLike[str], data: bytes, mode: int = 0o644) -> None:
        """
        Replace a file's content, or make the file.

        Args:
            path: its path inside.
            data: its new content.
            mode: the permission bits of a new file.

        Raises:
            IsolationError: it cannot be written: the test is `unknown`.
        """
        __tracebackhide__ = True
        self._file("write", os.fspath(path), str(mode), data=data)

    def write_text(self, path: str | os.PathLike[str], text: str, mode: int = 0o644) -> None:
        """
        Replace a file's content by text, as UTF-8, or make the file.

        Args:
            path: its path inside.
            text: its new content.
            mode: the permission bits of a new file.

        Raises:
            IsolationError: it cannot be written: the test is `unknown`.

        Example:
            def test_shared_memory_is_private(sandbox, peer):
                sandbox.write_text("/dev/shm/mine", "x")
                assert not peer.exists("/dev/shm/mine")
        """
        __tracebackhide__ = True
        self.write_bytes(path, text.encode(), mode)

    def exists(self, path: str | os.PathLike[str]) -> bool:
        """
        Tell whether there is a file or a folder of this path inside.

        Args:
            path: its path inside; a link is followed.

        Raises:
            IsolationError: that cannot be told, because a folder may not be searched, say: the test is `unknown`.
        """
        __tracebackhide__ = True
        return self._file("exists", os.fspath(path)) == b"yes"

    def put(self, source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
        """
        Copy a file into the sandbox, with its permission bits if it is new there.

        Args:
            source: the file here.
            target: its path inside.

        Raises:
            IsolationError: it cannot be read here or written there.
        """
        try:
            data, mode = Path(source).read_bytes(), stat.S_IMODE(Path(source).stat().st_mode)
        except OSError as error:
            raise IsolationError(f"cannot read '{os.fspath(source)}': {error.strerror}") from None
        self.write_bytes(target, data, mode)

    def get(self, source: str | os.PathLike[str], target: str | os.PathLike[str]) -> None:
        """
        Copy a file out of the sandbox.

        Args:
            source: its path inside.
            target: the file here; it is replaced.

        Raises:
            IsolationError: it cannot be read there or written here.
        """
        data = self.read_bytes(source)
        try:
            Path(target).write_bytes(data)
        except OSError as error:
            raise IsolationError(f"cannot write '{os.fspath(target)}': {error.strerror}") from None

    def _file(self, verb: str, *words: str, data: bytes | None = None, bound: int = 1 << 12) -> bytes:
        __tracebackhide__ = True
        reply = self._sent(verb, *words, data=data, bound=bound)
        if reply.ok:
            return reply.data
        said = reply.log.decode("utf-8", "replace").strip().removeprefix("probe: ")
        what = said or f"cannot {verb} {words[0]}: {reply.ended}"
        raise IsolationError(f"{what} in '{self.acting_name}'")

    def _sent(self, *words: str, **how: Any) -> Reply:
        """Send a request; an error begins here, for the test's own line is what counts."""
        __tracebackhide__ = True
        try:
            return self.send(*words, **how)
        except IsolationError as error:
            raise error.with_traceback(None) from None
