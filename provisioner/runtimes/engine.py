"""A runtime's own commands on one host.  If it has a daemon that hangs, they end early, all with the same line.

In: a Runtime and a Connection.
Out: `Completed`; SilentDaemon for a daemon that does not answer; an error for another program behind its name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from provisioner.connection.hanging import SilentDaemon, ask_daemon, refuse_silent, run_deletion
from provisioner.connection.local import Check, Completed, Connection, Stream, wait_checking
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import Runtime


class Engine:
    """
    A runtime on a host.

    Args:
        runtime: the runtime.
        connection: the host.

    Attributes:
        check: raises SilentDaemon if the runtime's daemon does not answer; None if the runtime has no daemon.
    """

    def __init__(self, runtime: Runtime, connection: Connection) -> None:
        self._connection = connection
        self._runtime = runtime
        self._program = ""
        self.check: Check | None = None
        if runtime.daemon is not None and runtime.version is not None:
            question = render_argv(runtime.version.argv, {}, f"{runtime.name}: version")
            self._program = question[0]
            self.check = lambda: ask_daemon(connection, question)

    def refuse_silent(self) -> None:
        """Raise SilentDaemon if the daemon is known not to answer; it is not asked."""
        refuse_silent(self._program, self._connection.name)

    def refuse_other(self, values: Mapping[str, object]) -> None:
        """
        Refuse another program behind the runtime's name: its sandboxes have other walls than the role says.

        Args:
            values: the values for the runtime's templates.

        Raises:
            IsolationError: the program, or the service that it asks, is another one.
        """
        version = self._runtime.version
        if version is None or not version.others:
            return
        argv = render_argv(version.argv, values, f"{self._runtime.name}: version")
        done = self.run(argv, deadline("command"))
        if other := version.other(done.stdout + done.stderr):
            what = f"cannot start '{self._runtime.name}': what answers as '{argv[0]}' is {other}"
            raise IsolationError(what, f"name it: --isolation-runtime={other}, --isolation-attach={other}:NAME")

    def run(self, argv: Sequence[str], seconds: float, inside: bool = False) -> Completed:
        """
        Run a command of the runtime to its end.

        Args:
            argv: the program and its arguments.
            seconds: how long it may take.
            inside: whether it starts a process in a sandbox.

        Raises:
            IsolationError: as `Connection.run`.
            SilentDaemon: the daemon does not answer.
        """
        self.refuse_silent()
        return self._connection.run(argv, seconds, inside=inside, check=self.check)

    def delete(self, argv: Sequence[str]) -> Completed:
        """Run a command that deletes something: `run_deletion`."""
        return run_deletion(self._connection, argv, self.check)

    def wait(self, stream: Stream, seconds: float) -> int | None:
        """Return the exit status of a sandbox's command; None if it does not end in time, or the daemon hangs."""
        try:
            self.refuse_silent()
            return wait_checking(stream, seconds, self.check)
        except SilentDaemon:
            return None
