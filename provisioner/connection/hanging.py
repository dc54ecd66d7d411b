"""What hangs, by host and program, as long as this process lives.

In: a deletion that did not end in time, or a daemon that did not answer.  Out: the time that the next deletion gets, or
the line with which all further commands fail at once.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

from provisioner.connection.local import Check, CommandTimeout, Completed, Connection, undisturbed
from provisioner.deadlines import deadline, slow_hint

_slow: set[tuple[str, str]] = set()  # did not end a deletion in time
_silent: dict[tuple[str, str], SilentDaemon] = {}
_asking = threading.Lock()


class SilentDaemon(CommandTimeout):
    """The daemon of a program does not answer."""


def run_deletion(connection: Connection, argv: Sequence[str], check: Check | None = None) -> Completed:
    """
    Run a command that deletes something; it is killed only by its deadline.

    After one that did not end in time, further ones of the same program get little time.

    Args:
        connection: the host.
        argv: the program and its arguments.
        check: as in `Connection.run`.

    Raises:
        IsolationError: as `Connection.run`.
        SilentDaemon: the program's daemon is known not to answer; the command does not run.
    """
    refuse_silent(argv[0], connection.name)
    with undisturbed():
        try:
            seconds = deadline("undo.start" if hangs(argv[0], connection.name) else "delete")
            return connection.run(argv, seconds, check=check)
        except CommandTimeout:
            _slow.add((connection.name, argv[0]))
            raise


def hangs(program: str, host: str = "local") -> bool:
    """Return whether a deletion by a program did not end in time."""
    return (host, program) in _slow


def refuse_silent(program: str, host: str = "local") -> None:
    """
    Do nothing, unless the program's daemon is known not to answer.

    Raises:
        SilentDaemon: it is; always the same line.
    """
    known = _silent.get((host, program))
    if known is not None:
        raise SilentDaemon(known.what, known.hint, known.log)


def ask_daemon(connection: Connection, argv: Sequence[str]) -> None:
    """
    Ask a daemon something that it answers at once.  One that refuses is dead, and its clients end by themselves.

    Args:
        connection: the host.
        argv: a client of the daemon and its arguments, as `docker version`.

    Raises:
        SilentDaemon: no answer came in time, or the daemon is known not to answer.
    """
    with _asking:  # several sandboxes wait for one daemon
        refuse_silent(argv[0], connection.name)
        far = "" if connection.name == "local" else ".remote"
        seconds = deadline(f"daemon.answer{far}")
        try:
            connection.run(argv, seconds)
        except CommandTimeout as error:
            where = "" if connection.name == "local" else f" on '{connection.name}'"
            _silent[connection.name, argv[0]] = SilentDaemon(
                f"cannot use '{argv[0]}'{where}: its daemon did not answer '{' '.join(argv[:2])}' in {seconds:.0f} s",
                f"restart the daemon; {slow_hint()}",
                error.log,
            )
    refuse_silent(argv[0], connection.name)
