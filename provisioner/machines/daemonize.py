"""Starts a process that outlives its starter, finds it again later, and ends it.

In: an argument list, an identity file, a Run.  Out: the identity file, which holds the process's pid, start time and
boot id.  The process writes it before it becomes the program.  The journal's entry is made before the process starts:
a starter that is killed at any moment leaves nothing unknown.  Root asks of the folder that no other user can change
it: who writes an identity file chooses which process root ends.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.faults.explain import failed
from provisioner.files.folder import Folder
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.linux.processes import Process, is_alive, kill_all, send_signal, wait_gone, with_descendants

POLL = 0.005  # seconds
WRITE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
MAX_IDENTITY = 4096  # bytes
# $$ is the shell's pid; exec keeps both pid and start time
IDENTIFY_AND_EXEC = 'cat "/proc/$$/stat" /proc/sys/kernel/random/boot_id >"$0.new" && mv "$0.new" "$0" && exec "$@"'

# Popen warns when it is collected before its process ended; polling those still held keeps zombies from piling up
_held: list[subprocess.Popen[bytes]] = []


def identify_and_exec(argv: Sequence[str], file: Path) -> list[str]:
    """
    Return the arguments of a shell that writes its identity into a file and then becomes a program.

    Args:
        argv: the program and its arguments.
        file: the identity file; an old one is removed now.

    Raises:
        IsolationError: another user can change the file's folder.
        OSError: there is no such folder.
    """
    with Folder.open(file.parent) as folder:
        folder.delete(file.name)
    return ["sh", "-c", IDENTIFY_AND_EXEC, str(file), *argv]


def record_undo(run: Run, file: Path) -> UndoEntry:
    """Write into the journal how the process of an identity file is ended; call it before the process starts."""
    return run.made("verb", ["end-process", str(file)])


def start_detached(
    argv: Sequence[str], log: Path, file: Path, run: Run, pass_fds: Sequence[int] = (), cwd: Path = Path("/")
) -> UndoEntry:
    """
    Start a process in a session of its own.

    Args:
        argv: the program and its arguments; it must not fork into the background.
        log: the file for its standard output and standard error; it is truncated first, and only this user may read it.
        file: its identity file, for `load_process`.
        run: the journal that records the process before it starts.
        pass_fds: file descriptors that it inherits.
        cwd: its working directory.

    Returns:
        The journal's entry; `run.gone` removes it when the process no longer depends on this run.

    Raises:
        IsolationError: the process cannot be started.
    """
    _held[:] = [process for process in _held if process.poll() is None]
    record = record_undo(run, file)
    try:
        with Folder.open(log.parent) as folder, open(folder.open_file(log.name, WRITE, 0o600), "wb") as output:
            os.fchmod(output.fileno(), 0o600)  # a log of an older version had 0644
            process = subprocess.Popen(
                identify_and_exec(argv, file),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=cwd,
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
            raise failed(f"cannot start '{argv[0]}'", error) from None
        raise
    return record


def load_process(file: Path) -> Process | None:
    """
    Return the process of an identity file, or None if there is no valid file.  The process may have ended.

    Raises:
        IsolationError: another user can change the file's folder, or it is not a regular file.
    """
    with contextlib.suppress(OSError, ValueError, IndexError):  # missing, or cut off while it was written
        with Folder.open(file.parent) as folder:
            text = folder.read(file.name, MAX_IDENTITY).decode(errors="replace")
        # proc_pid_stat(5): field 1 is the pid, field 22 the start time
        stat, boot = text.rstrip("\n").rsplit("\n", 1)
        return Process(int(stat.split(maxsplit=1)[0]), int(stat.rpartition(")")[2].split()[19]), boot)
    return None


def find_running(file: Path) -> Process | None:
    """Return the process of an identity file, or None if it does not run."""
    process = load_process(file)
    return process if process is not None and is_alive(process) else None


def end_detached(file: Path, seconds: float = 0.0) -> None:
    """
    End the process of an identity file and all its descendants; a process that does not run is ignored.

    Args:
        file: the identity file; it is removed.
        seconds: how long the process may take to end after SIGTERM; 0 sends SIGKILL at once.

    Raises:
        IsolationError: a process is still there after SIGKILL.
    """
    if process := find_running(file):
        if seconds:
            send_signal(process, signal.SIGTERM)
            wait_gone([process], seconds)
        left = kill_all(with_descendants([process]))
        if left:
            raise IsolationError(f"cannot end process {left[0].pid}: it is still there after SIGKILL")
    with contextlib.suppress(FileNotFoundError), Folder.open(file.parent) as folder:
        folder.delete(file.name)


def _await_identity(process: subprocess.Popen[bytes], program: str, file: Path) -> None:
    until = time.monotonic() + deadline("command")
    while True:
        ended = process.poll() is not None  # before the look at the file: a process may write it and end
        if file.exists():
            return
        if ended or time.monotonic() > until:
            raise IsolationError(f"cannot start '{program}': it ended at once")
        time.sleep(POLL)
