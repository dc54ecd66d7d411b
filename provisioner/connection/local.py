"""Runs commands: the interfaces of a connection, and the connection to this machine.

In: argument lists.  Out: `Completed` (a finished command) or `Stream` (a running one with its three streams).  No shell
is used.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from provisioner.connection.child import start_child
from provisioner.deadlines import deadline, slow_hint
from provisioner.errors import IsolationError
from provisioner.files.maker import mark

MAX_STDOUT = 1 << 21
Check = Callable[[], object]  # raises what ends a command early

# those that `run_command` runs now: the thread that waits, and whether they delete something
_commands: dict[Stream, tuple[int, bool]] = {}
_commands_lock = threading.Lock()
_thread = threading.local()


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


class CommandTimeout(IsolationError):
    """A command did not end in time, and was killed."""


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

    def run(
        self,
        argv: Sequence[str],
        timeout: float,
        env: Mapping[str, str] | None = None,
        inside: bool = False,
        check: Check | None = None,
    ) -> Completed:
        """
        Run a command without input to its end.

        Args:
            argv: the program and its arguments.
            timeout: seconds that it may take.
            env: variables added to the environment.
            inside: whether it starts a process in a sandbox, which must not get variables of this project.
            check: called every "daemon.check" seconds while it runs; what it raises ends the command.

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

    def run(
        self,
        argv: Sequence[str],
        timeout: float,
        env: Mapping[str, str] | None = None,
        inside: bool = False,
        check: Check | None = None,
    ) -> Completed:
        return run_command(argv, timeout, env, marked=not inside, check=check)

    def start(self, argv: Sequence[str], env: Mapping[str, str] | None = None, cwd: str | None = None) -> Stream:
        return _start(argv, env, cwd)


def run_command(
    argv: Sequence[str],
    timeout: float,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    marked: bool = True,
    tied: bool = False,
    check: Check | None = None,
) -> Completed:
    """
    Run a command on this machine without input to its end.

    Its whole process group is killed at a timeout, at an interrupt and by `end_commands`.

    Args:
        argv: the program and its arguments.
        timeout: seconds that it may take.
        env: variables added to the environment.
        cwd: its working directory.
        marked: whether its environment names this process, so that a later process finds it if this one is killed.
        tied: whether the kernel kills it when this process ends (PR_SET_PDEATHSIG, prctl(2)); costs one exec(2).
        check: as in `Connection.run`.

    Raises:
        IsolationError: it cannot be started, or does not end in time.
    """
    stream = _start(
        [*(_tie() if tied else ()), *argv], {**(env or {}), **(mark() if marked else {})}, str(cwd) if cwd else None
    )
    with _commands_lock:
        _commands[stream] = threading.get_ident(), getattr(_thread, "undisturbed", False)
    try:
        stream.end_input()
        collected = bytearray()
        reader = threading.Thread(target=_collect, args=(stream, collected), daemon=True)
        reader.start()
        status = wait_checking(stream, timeout, check)
        if status is None:
            raise CommandTimeout(
                f"cannot run '{argv[0]}': no end after {timeout:.0f} s",
                hint=slow_hint(),
                log=" ".join(argv),
            )
        reader.join(5)
        return Completed(tuple(argv), status, bytes(collected), stream.errors())
    finally:
        stream.kill()
        with _commands_lock:
            del _commands[stream]


def wait_checking(stream: Stream, seconds: float, check: Check | None) -> int | None:
    """
    Wait for the end of a command.

    Args:
        stream: the command.
        seconds: how long it may take.
        check: called every "daemon.check" seconds; what it raises ends the wait.

    Returns:
        Its exit status; None if it does not end in time.
    """
    until = time.monotonic() + seconds
    while check is not None and until - time.monotonic() > deadline("daemon.check"):
        status = stream.wait(deadline("daemon.check"))
        if status is not None:
            return status
        check()
    return stream.wait(max(0.0, until - time.monotonic()))


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """Let the commands that this thread runs in a `with` block delete something: `end_commands` does not kill them."""
    before, _thread.undisturbed = getattr(_thread, "undisturbed", False), True
    try:
        yield
    finally:
        _thread.undisturbed = before


def end_commands(threads: Collection[int] | None = None) -> None:
    """
    Kill commands that `run_command` runs now, with their process groups.

    Args:
        threads: the idents of threads: kill all that these run, deletions too.  None: kill those of every thread, but
            spare those of `undisturbed` blocks.
    """
    with _commands_lock:
        running = [
            stream
            for stream, (thread, spared) in _commands.items()
            if (not spared if threads is None else thread in threads)
        ]
    for stream in running:
        stream.kill()


def _tie() -> list[str]:
    """Return the words before a command that ends with this process; none without the setpriv(1) of util-linux."""
    setpriv = find_program("setpriv")
    real = os.path.realpath(setpriv) if setpriv else ""  # BusyBox has a setpriv without this option
    return [real, "--pdeathsig", "KILL"] if os.path.basename(real) == "setpriv" else []


def _start(argv: Sequence[str], env: Mapping[str, str] | None, cwd: str | None) -> Stream:
    path = find_program(argv[0])
    if path is None:
        raise IsolationError(f"cannot run '{argv[0]}': no such program on PATH", hint=f"install {argv[0]}")
    return start_child(path, argv, env, cwd)


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


def _collect(stream: Stream, into: bytearray) -> None:
    """Read to the end, so that the command can end, but keep at most MAX_STDOUT bytes."""
    for chunk in iter(stream.read, b""):
        into += chunk[: max(0, MAX_STDOUT - len(into))]
