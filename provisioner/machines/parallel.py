"""Runs this command for several machines side by side, each in a process of its own.

In: argument lists of `provisioner`, one for each machine.  Out: their exit statuses and what they printed.  Called by
lab_cli.py.  Each process ends in order when it is interrupted, and what it was starting with it: a thread could not be.
It has a session of its own, so that a Ctrl-C reaches it once, through us; when we are killed, the kernel tells it.  By
SIGTERM, which `interruptible` turns into an interrupt: a shell in the background lets its children ignore SIGINT.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import IO

from provisioner.connection.local import find_program
from provisioner.deadlines import deadline
from provisioner.paths import import_path

POLL = 0.05  # seconds


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its exit status, and its standard output."""

    status: int
    output: str


def default_jobs() -> int:
    """Return how many machines come up at once: each keeps two processors busy under emulation."""
    return max(1, len(os.sched_getaffinity(0)) // 2)


@contextlib.contextmanager
def interruptible() -> Iterator[None]:
    """Let SIGTERM and SIGHUP be what Ctrl-C is: what is being done is undone on the way out."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        for number in before:
            signal.signal(number, signal.default_int_handler)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_side_by_side(commands: Sequence[Sequence[str]], jobs: int) -> list[Ended]:
    """
    Run commands of this program, so many at once; what they say on their error streams goes to ours.

    Args:
        commands: their arguments.
        jobs: how many run at the same time.

    Returns:
        One for each, in their order.

    Raises:
        KeyboardInterrupt: when we are interrupted; all have ended then.
    """
    waiting = list(enumerate(commands))
    running: dict[int, subprocess.Popen[bytes]] = {}
    ended: dict[int, Ended] = {}
    with contextlib.ExitStack() as files:
        outputs = [files.enter_context(tempfile.TemporaryFile()) for _ in commands]
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    at, command = waiting.pop(0)
                    running[at] = _start(command, outputs[at])
                for at, process in list(running.items()):
                    if process.poll() is not None:
                        ended[at] = Ended(process.returncode, _read(outputs[at]))
                        del running[at]
                time.sleep(POLL)
        finally:
            _interrupt(list(running.values()))
    return [ended[at] for at in range(len(commands))]


def _start(command: Sequence[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    setpriv = find_program("setpriv")
    enter = [setpriv, "--pdeathsig", "TERM", "--"] if setpriv else []
    return subprocess.Popen(
        [*enter, sys.executable, "-m", "provisioner", *command],
        stdin=subprocess.DEVNULL,
        stdout=output,
        env={**os.environ, **import_path()},
        start_new_session=True,
    )


def _read(output: IO[bytes]) -> str:
    output.seek(0)
    return output.read().decode("utf-8", "replace")


def _interrupt(processes: Sequence[subprocess.Popen[bytes]]) -> None:
    """Interrupt what still runs and wait until it has put away what it was making."""
    for process in processes:
        process.terminate()
    until = time.monotonic() + deadline("machine.halt") + deadline("machine.qmp")
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.1, until - time.monotonic()))
