"""Undoes one thing that a run has made, whatever kind it is of.

In: a `UndoEntry` from a journal.  Out: whether there was anything to undo, or an IsolationError.  Called by journal.py
alone.  What is not there is undone already; every kind ends within a deadline; files go only below our own folders, and
never through a mount.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from provisioner.errors import IsolationError
from provisioner.linux.cgroups import delete_cgroup
from provisioner.linux.ipc import delete_mqueue, delete_segment
from provisioner.linux.mounts import unmount, unmount_below
from provisioner.linux.netns import delete_netns
from provisioner.linux.processes import Process, is_alive, kill_all
from provisioner.paths import PACKAGE, cache_dir, run_dir

Kind = Literal["command", "cgroup", "path", "process", "netns", "mount", "shm", "mqueue"]

TIMEOUT = 240.0  # seconds for one command: an emulated machine that halts in order may take minutes
NOT_THERE = re.compile(
    r"no such|not found|not exist|no longer exist|unknown (container|domain)|not known|is not running", re.IGNORECASE
)


@dataclass(frozen=True)
class UndoEntry:
    """
    How one thing is undone.

    Args:
        number: its place in the journal.
        kind: what it is.
        values: the argument list, or the one path, name, key or pid.
        env: variables for the command.
        process: the identity behind a pid.
    """

    number: int
    kind: Kind
    values: tuple[str, ...]
    env: tuple[tuple[str, str], ...] = ()
    process: Process | None = None

    def dump(self) -> dict[str, Any]:
        """Return what stands in the journal's line."""
        entry: dict[str, Any] = {"made": self.number, "kind": self.kind, "values": list(self.values)}
        if self.env:
            entry["env"] = dict(self.env)
        if self.process:
            entry["start"], entry["boot"] = self.process.start, self.process.boot
        return entry

    @classmethod
    def load(cls, entry: Mapping[str, Any]) -> Self:
        """Read what `dump` wrote."""
        values = tuple(str(value) for value in entry["values"])
        process = Process(int(values[0]), int(entry["start"]), str(entry["boot"])) if "start" in entry else None
        env = tuple((str(name), str(value)) for name, value in entry.get("env", {}).items())
        return cls(int(entry["made"]), entry["kind"], values, env, process)

    def outlives_boot(self) -> bool:
        """Tell whether the thing can still be there after a reboot."""
        return self.kind in ("command", "path")


def undo_all(records: Sequence[UndoEntry]) -> tuple[list[str], list[tuple[UndoEntry, str]]]:
    """
    Undo records, the last first.

    A command that fails is forgiven when it speaks of a folder that was removed with it: a daemon's socket lies in its
    data root, and what it held is gone.

    Returns:
        One line for each thing removed, and each failure with its reason, in the journal's order.
    """
    removed: list[str] = []
    failures: list[tuple[UndoEntry, str]] = []
    folders: list[str] = []
    for record in sorted(records, key=lambda record: record.number, reverse=True):
        try:
            if undo(record):
                removed.append(f"removed {record.kind} {' '.join(record.values)}")
            if record.kind == "path":
                folders.append(record.values[0])
        except (IsolationError, OSError) as error:
            failures.append((record, getattr(error, "what", None) or f"cannot undo {record.kind}: {error}"))
    failures = [(record, why) for record, why in failures if not _speaks_of(record, folders)]
    return removed, failures[::-1]


def undo(record: UndoEntry) -> bool:
    """
    Undo one record.

    Returns:
        False when the thing was not there.

    Raises:
        IsolationError: it would not go.
    """
    path = Path(record.values[0]) if record.values else Path()
    actions: dict[str, Callable[[], bool]] = {
        "command": lambda: _run(record),
        "cgroup": lambda: delete_cgroup(path),
        "path": lambda: _remove_path(path),
        "process": lambda: _end_process(record),
        "netns": lambda: delete_netns(record.values[0]),
        "mount": lambda: unmount(path),
        "shm": lambda: delete_segment(int(record.values[0])),
        "mqueue": lambda: delete_mqueue(record.values[0]),
    }
    if record.kind not in actions:
        raise IsolationError(f"cannot undo '{record.kind}': no such kind of thing")
    return actions[record.kind]()


def import_path() -> dict[str, str]:
    """Return what lets another interpreter find this package, wherever it was imported from; for undoing commands."""
    root = str(PACKAGE.parent)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}


def check_path(path: Path) -> Path:
    """Return the path with its folder's links resolved; raise IsolationError unless it is below our own folders."""
    real = path.parent.resolve() / path.name
    if path.is_absolute() and path.name != ".." and any(folder.resolve() in real.parents for folder in _folders()):
        return real
    raise IsolationError(f"cannot remove '{path}': not below our own folders", hint="use the cache or run folder")


def _folders() -> tuple[Path, ...]:
    return cache_dir(), run_dir()


def _remove_path(path: Path) -> bool:
    path = check_path(path)
    if not path.is_symlink() and path.is_dir():
        unmount_below(path)  # a bind mount in there shows somebody else's files
        shutil.rmtree(path)
        return True
    try:
        os.unlink(path)
    except FileNotFoundError:
        return False
    return True


def _run(record: UndoEntry) -> bool:
    argv = list(record.values)
    try:
        done = subprocess.run(
            argv,
            env={**os.environ, **dict(record.env)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT,
        )
    except subprocess.TimeoutExpired:
        raise IsolationError(f"cannot run '{' '.join(argv)}': no end after {TIMEOUT:.0f} s") from None
    except OSError as error:
        raise IsolationError(f"cannot run '{' '.join(argv)}': {error.strerror}") from None
    if done.returncode == 0:
        return True
    if NOT_THERE.search(done.stderr):
        return False
    last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    raise IsolationError(f"cannot run '{' '.join(argv)}': {last}", log=done.stderr[-2000:])


def _end_process(record: UndoEntry) -> bool:
    if record.process is None or not is_alive(record.process):
        return False
    if kill_all([record.process]):
        raise IsolationError(f"cannot end process {record.process.pid}: it is still there after SIGKILL")
    return True


def _speaks_of(record: UndoEntry, folders: Sequence[str]) -> bool:
    texts = [*record.values, *(value for _, value in record.env)]
    return record.kind == "command" and any(folder in text for folder in folders for text in texts)
