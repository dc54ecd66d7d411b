"""The part of this machine that a look may use: files, programs, commands, and trials of runtimes.

Out: `System`, the protocol, and `LocalSystem`, this machine; tests use another one.  Whatever a look makes is recorded
in the journal of `journal()`, and `close` removes it.  Nothing is fetched from a network.
"""

from __future__ import annotations

import getpass
import os
import platform
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from provisioner.connection.local import Completed, LocalConnection, end_commands
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError

if TYPE_CHECKING:
    from provisioner.doctor.trial import Hello, Trials
    from provisioner.journal.run import Run
    from provisioner.probe.build import BuiltProbe
    from provisioner.runtimes.runtime import Runtime


class System(Protocol):
    """
    This machine, as a look sees it.

    Attributes:
        root: whether this process is root.
        user: the name of its user.
        architecture: the machine name of uname(2): "x86_64".
    """

    @property
    def root(self) -> bool: ...
    @property
    def user(self) -> str: ...
    @property
    def architecture(self) -> str: ...

    def read(self, path: str) -> str | None:
        """Return a file's text, None if it does not exist; raises OSError if it cannot be read."""

    def link(self, path: str) -> str | None:
        """Return where a symbolic link leads, None if it cannot be read."""

    def find(self, program: str) -> str | None:
        """Return a program's path, None if it is not installed."""

    def run(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Completed:
        """Run a command to its end; raises IsolationError if it does not start or does not end in time."""

    def journal(self) -> Run:
        """Return the journal; record a thing there before you make it."""

    def folder(self) -> Path:
        """Return a new folder; `close` deletes it."""

    def probe(self) -> BuiltProbe:
        """Return the probe, built if needed; raises IsolationError if that is impossible here."""

    def try_runtime(self, runtime: Runtime) -> Hello:
        """Create a sandbox, wait for its hello and delete it; raises IsolationError if that fails."""


def as_root(system: System, command: str) -> str:
    """Return a command as this user must type it: with sudo unless the user is root."""
    return command if system.root else f"sudo {command}"


FINISHED = "cannot do anything: the report is finished"


class LocalSystem:
    """This machine.  Use it in a `with` statement, which deletes what was made."""

    def __init__(self) -> None:
        self.root = os.geteuid() == 0
        self.user = _user()
        self.architecture = platform.machine()
        self._lock = threading.RLock()
        self._run: Run | None = None
        self._trials: Trials | None = None
        self._closed = False

    def read(self, path: str) -> str | None:
        try:
            return Path(path).read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return None

    def link(self, path: str) -> str | None:
        try:
            return os.readlink(path)
        except OSError:
            return None

    def find(self, program: str) -> str | None:
        return LocalConnection().find(program)

    def run(self, argv: Sequence[str], env: Mapping[str, str] | None = None) -> Completed:
        if self._closed:
            raise IsolationError(FINISHED)
        return LocalConnection().run(argv, deadline("doctor.command"), env)

    def journal(self) -> Run:
        from provisioner.journal.run import Run

        with self._lock:
            if self._closed:
                raise IsolationError(FINISHED)
            if self._run is None:
                self._run = Run.start()
            return self._run

    def folder(self) -> Path:
        from provisioner.paths import run_dir

        run = self.journal()
        path = run_dir() / f"{run.id}-{secrets.token_hex(4)}"
        run.made("path", path)
        path.mkdir(mode=0o700)
        return path

    def probe(self) -> BuiltProbe:
        from provisioner.probe.build import probe_binary

        return probe_binary(fetch=False)

    def try_runtime(self, runtime: Runtime) -> Hello:
        from provisioner.doctor.trial import Trials

        with self._lock:
            run = self.journal()
            if self._trials is None:
                self._trials = Trials(run, self.probe)
            trials = self._trials
        return trials.hello(runtime)

    def close(self) -> None:
        """End running trials and delete what was made; may be called again."""
        with self._lock:
            self._closed = True
            run, self._run = self._run, None
            trials, self._trials = self._trials, None
        end_commands()  # after an interrupt looks still wait for theirs
        try:
            if trials is not None:
                trials.close()
        finally:
            if run is not None:
                run.close()
            end_commands()  # again: a look may have started one just before `close`

    def __enter__(self) -> LocalSystem:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a uid without a name
        return str(os.geteuid())
