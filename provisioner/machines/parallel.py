"""Runs commands of `provisioner` for several machines at once, each in a process of its own.

In: argument lists of `provisioner`, one for each machine.  Out: their exit statuses and outputs.  Processes, not
threads: an interrupted process undoes what it was starting, a thread cannot be interrupted.  Each process has its own
session, so a Ctrl-C reaches it only through this process, as SIGTERM.  (SIGINT would be lost: a shell makes its
background commands ignore it.)  If this process is killed, the kernel sends the SIGTERM.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO

from provisioner.connection.local import find_program
from provisioner.deadlines import deadline
from provisioner.interrupt.program import QUIET, undoing
from provisioner.paths import import_path

POLL = 0.05  # seconds


@dataclass(frozen=True)
class CommandResult:
    """
    The result of a command.

    Args:
        status: its exit status; negative for a signal.
        output: its standard output.
    """

    status: int
    output: str


def default_jobs() -> int:
    """Return how many machines to start at once: under emulation each keeps two processors busy."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


def run_parallel(commands: Sequence[Sequence[str]], jobs: int) -> list[CommandResult]:
    """
    Run commands of `provisioner` in parallel; their standard error is this process's.

    Args:
        commands: the arguments of each command.
        jobs: how many run at the same time.

    Returns:
        One result for each command, in their order.

    Raises:
        Interrupted: this process was interrupted; all commands have ended by then.
    """
    waiting = list(enumerate(commands))
    running: dict[int, subprocess.Popen[bytes]] = {}
    results: dict[int, CommandResult] = {}
    with contextlib.ExitStack() as files:
        outputs = [files.enter_context(tempfile.TemporaryFile()) for _ in commands]
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    at, command = waiting.pop(0)
                    running[at] = _start(command, outputs[at])
                for at, process in list(running.items()):
                    if process.poll() is not None:
                        results[at] = CommandResult(process.returncode, _read(outputs[at]))
                        del running[at]
                time.sleep(POLL)
        finally:
            with undoing():
                _interrupt(list(running.values()))
    return [results[at] for at in range(len(commands))]


def _start(command: Sequence[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    setpriv = find_program("setpriv")
    enter = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
    return subprocess.Popen(
        [*enter, sys.executable, "-m", "provisioner", *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        env={**os.environ, **import_path(), QUIET: "1"},
        start_new_session=True,
    )


def _read(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode("utf-8", "replace")


def _interrupt(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupt processes and wait until they have undone what they were starting."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + deadline("machine.halt") + deadline("machine.qmp")
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, until - time.monotonic()))
