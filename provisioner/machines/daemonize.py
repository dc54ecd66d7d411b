"""Starts a process so that it outlives us, knows it again by a file, and ends it.

In: an argument list, a file, a Run.  Out: the file, which says which process it is and is written by the process itself
before it becomes the program; and the journal's record, made before that.  `python -m provisioner.machines.daemonize
FILE` undoes a journal entry: however early its starter is killed, what was started is found and ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.journal.undo import UndoEntry, import_path
from provisioner.linux.processes import Process, is_alive, kill_all, send_signal, wait_gone, with_descendants

POLL = 0.005  # seconds
# $$ is this shell's number, and the number and start time of whatever it becomes
BECOME = 'cat "/proc/$$/stat" /proc/sys/kernel/random/boot_id >"$0.new" && mv "$0.new" "$0" && exec "$@"'

# Popen warns when it is collected before its process ended; polling those still held keeps zombies from piling up
_held: list[subprocess.Popen[bytes]] = []


def become(argv: Sequence[str], file: Path) -> list[str]:
    """Return the arguments of a shell that writes down who it is, and becomes a program."""
    file.unlink(missing_ok=True)
    return ["sh", "-c", BECOME, str(file), *argv]


def record_undo(run: Run, file: Path) -> UndoEntry:
    """Let a journal know, before it is started, how a process that writes itself into a file is ended."""
    return run.made("command", [sys.executable, "-m", "provisioner.machines.daemonize", str(file)], import_path())


def start_detached(argv: Sequence[str], log: Path, file: Path, run: Run, pass_fds: Sequence[int] = ()) -> UndoEntry:
    """
    Start a process in a session of its own.

    Args:
        argv: what to run; it must not fork into the background.
        log: takes both of its output streams, from the beginning.
        file: where it says who it is, for `load_process`.
        run: whose journal records it, from before it is there.
        pass_fds: descriptors that it inherits.

    Raises:
        IsolationError: it cannot be started.
    """
    _held[:] = [process for process in _held if process.poll() is None]
    record = record_undo(run, file)
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                become(argv, file),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={**os.environ, "LC_ALL": "C"},
                pass_fds=tuple(pass_fds),
                start_new_session=True,
            )
        _held.append(process)
        _await_identity(process, argv[0], file)
    except BaseException as error:
        end_detached(file)
        run.gone(record)
        if isinstance(error, OSError):
            raise IsolationError(f"cannot start '{argv[0]}': {error.strerror}") from None
        raise
    return record


def load_process(file: Path) -> Process | None:
    """Return the process that wrote itself into a file, None when none did; it may have ended since."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        # /proc/PID/stat: its first field, and the 22nd
        stat, boot = file.read_text(errors="replace").rstrip("\n").rsplit("\n", 1)
        return Process(int(stat.split(maxsplit=1)[0]), int(stat.rpartition(")")[2].split()[19]), boot)
    return None


def end_detached(file: Path, seconds: float = 0.0) -> None:
    """
    End a process that wrote itself into a file, with all that descend from it; not there is fine.

    Args:
        file: where it did.
        seconds: to wait for an end by SIGTERM, before all are killed.

    Raises:
        IsolationError: one is still there after SIGKILL.
    """
    process = load_process(file)
    if process is not None and is_alive(process):
        if seconds:
            send_signal(process, signal.SIGTERM)
            wait_gone([process], seconds)
        left = kill_all(with_descendants([process]))
        if left:
            raise IsolationError(f"cannot end process {left[0].pid}: it is still there after SIGKILL")
    file.unlink(missing_ok=True)


def _await_identity(process: subprocess.Popen[bytes], program: str, file: Path) -> None:
    until = time.monotonic() + deadline("command")
    while not file.exists():
        if process.poll() is not None or time.monotonic() > until:
            raise IsolationError(f"cannot start '{program}': it ended at once")
        time.sleep(POLL)


if __name__ == "__main__":
    try:
        end_detached(Path(os.fsdecode(sys.argv[1])))
    except IsolationError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from None
