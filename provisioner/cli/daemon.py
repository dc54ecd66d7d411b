"""The command `provisioner daemon`.

In: a runtime's name and a command.  Out: the command's exit status.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Annotated

import typer

from provisioner.errors import IsolationError
from provisioner.faults.explain import failed
from provisioner.interrupt.program import forwarding, undoing

if TYPE_CHECKING:
    from provisioner.runtimes.runtime import Runtime


def daemon(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME -- COMMAND...", help="the runtime, such as docker, and the command")
    ],
) -> None:
    """
    Run COMMAND while the daemon of runtime NAME runs with its own data root and network namespace.

    The host's daemon, network and images are not touched, and nothing is left behind.

    Example: provisioner daemon docker -- pytest --isolation=container --isolation-runtime=docker
    """
    from provisioner.hosts.daemon import daemon_of, running
    from provisioner.journal.beside import Leftovers
    from provisioner.journal.needs import Needs
    from provisioner.journal.run import Run

    command = [part for at, part in enumerate(context.args) if (at, part) != (0, "--")]
    if not command:
        raise IsolationError(
            f"cannot run the daemon of '{name}': no command given", "provisioner daemon NAME -- COMMAND"
        )
    runtime = _runtime_with_daemon(name)  # a wrong name ends here, before anything is pruned
    leftovers = Leftovers(Needs(runtime.programs))
    leftovers.undo()
    with Run.start() as run, contextlib.closing(leftovers), running(daemon_of(runtime, run), run) as env:
        status = _run(command, {**os.environ, **env})
    raise typer.Exit(status)


def _runtime_with_daemon(name: str) -> Runtime:
    from provisioner.runtimes.load import load_runtime

    runtime = load_runtime(name)
    if runtime.daemon is None:
        raise IsolationError(f"cannot run the daemon of '{name}': it has none", "leave out `provisioner daemon`")
    return runtime


def _run(command: list[str], env: dict[str, str]) -> int:
    """Run a command to its end and return its status.  It gets the signals; the daemon is stopped after it."""
    with undoing():  # no interrupt between the start and the wait
        try:
            process = subprocess.Popen(command, env=env)
        except OSError as error:
            raise failed(f"cannot run '{command[0]}'", error) from None

        def send(number: signal.Signals) -> None:
            if number != signal.SIGINT or not _has_terminal():
                process.send_signal(number)

        with forwarding(os.path.basename(command[0]), send):
            status = process.wait()
    return status if status >= 0 else 128 - status


def _has_terminal() -> bool:
    """Tell whether Ctrl-C reaches the command too: it is in the same process group."""
    try:
        with open("/dev/tty", encoding="utf-8") as terminal:
            return os.tcgetpgrp(terminal.fileno()) == os.getpgrp()
    except OSError:
        return False
