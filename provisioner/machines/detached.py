"""Starts a process that outlives us, and remembers by a file which one it is.

In: an argument list, a log, a Run.  Out: its `Process` on disk, and the journal's record.  Called by labnet.py and
libvirt.py, whose daemons belong to the lab, not to the command that needed them first.  It ends nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.journal import Run
from provisioner.processes import Process, read_process
from provisioner.undo import Record

# Popen warns when it is collected before its process ended; polling those still held keeps zombies from piling up
_held: list[subprocess.Popen[bytes]] = []


def start_detached(argv: Sequence[str], log: Path, file: Path, run: Run, pass_fds: Sequence[int] = ()) -> Record:
    """
    Start a process in a session of its own.

    Args:
        argv: what to run; it finds programs on PATH itself.
        log: takes both of its output streams, from the beginning.
        file: where its identity is kept, for `load_process`.
        run: whose journal records it.
        pass_fds: descriptors that it inherits.

    Raises:
        IsolationError: it cannot be started, or ended at once.
    """
    _held[:] = [process for process in _held if process.poll() is None]
    try:
        with log.open("wb") as output:
            process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={**os.environ, "LC_ALL": "C"},
                pass_fds=tuple(pass_fds),
                start_new_session=True,
            )
    except OSError as error:
        raise IsolationError(f"cannot run '{argv[0]}': {error.strerror}") from None
    _held.append(process)
    record = run.made("process", process.pid)
    identity = read_process(process.pid)
    if identity is None:
        raise IsolationError(f"cannot start '{argv[0]}': it ended at once")
    save_process(file, identity)
    return record


def save_process(file: Path, process: Process) -> None:
    """Write down which process is meant, whole or not at all."""
    with tempfile.NamedTemporaryFile("w", dir=file.parent, prefix=f".{file.name}-", delete=False) as stream:
        json.dump({"pid": process.pid, "start": process.start, "boot": process.boot}, stream)
    os.replace(stream.name, file)


def load_process(file: Path) -> Process | None:
    """Return the process that `save_process` wrote down, None when nothing was; it may have ended since."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        entry = json.loads(file.read_text())
        return Process(int(entry["pid"]), int(entry["start"]), str(entry["boot"]))
    return None
