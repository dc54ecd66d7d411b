"""Undoes many entries: the commands of each program one after the other, those of different programs side by side.

In: `UndoEntry` objects, and how long it may take.  Out: one line for each thing removed, and each entry that failed.
"""

from __future__ import annotations

import contextlib
import math
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from provisioner.connection.hanging import hangs
from provisioner.connection.local import CommandTimeout, end_commands
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.interrupt.program import undoing
from provisioner.journal.entry import UndoEntry
from provisioner.journal.undo import undo
from provisioner.paths import run_dir


@dataclass(frozen=True)
class Patience:
    """
    How long undoing may take.

    Args:
        command: seconds for one command or verb.
        runtime: seconds for all commands of one program together.
    """

    command: float
    runtime: float


def long_patience() -> Patience:
    """Return the patience of a run's own end and of `provisioner prune`: a machine may need minutes to shut down."""
    return Patience(deadline("undo"), math.inf)


def short_patience() -> Patience:
    """Return the patience at a session's start: what a dead run left must not delay a run that does not need it."""
    return Patience(deadline("undo.start"), deadline("undo.start") * 6)


class Stop:
    """Ends an `undo_all` of another thread: what it has not finished then counts as failed."""

    def __init__(self) -> None:
        self._set = threading.Event()
        self._threads: set[int] = set()

    @property
    def is_set(self) -> bool:
        """Whether `now` was called."""
        return self._set.is_set()

    def now(self) -> None:
        """Kill the command that runs, with its process group; repeat it until the other thread has ended."""
        self._set.set()
        end_commands(set(self._threads))

    @contextlib.contextmanager
    def reaches(self) -> Iterator[None]:
        """Let `now` reach the commands of this thread during a `with` block."""
        ident = threading.get_ident()
        self._threads.add(ident)
        try:
            yield
        finally:
            self._threads.discard(ident)


def undo_all(
    entries: Sequence[UndoEntry], patience: Patience | None = None, stop: Stop | None = None
) -> tuple[list[str], list[tuple[UndoEntry, str]]]:
    """
    Undo entries: first processes, then commands and verbs, then all that remains; each the last first.

    The commands of different programs run side by side.  After one that did not end in time, the others of the same
    program are not tried.  A command that fails is forgiven if it names a folder that was deleted with it, or a socket
    in a folder of ours that is gone: a daemon's socket lies in its data root, and what it held is gone with it.

    Args:
        entries: what to undo, in the order in which it was made.
        patience: how long it may take; None for `long_patience`.
        stop: ends it from another thread.

    Returns:
        One line for each thing removed, and each entry that failed with the reason, in the order of `entries`.
    """
    doing = _Undoing(patience or long_patience(), stop or Stop())
    latest_first = list(reversed(entries))
    doing.undo_each([entry for entry in latest_first if entry.kind == "process"])
    doing.undo_lanes([entry for entry in latest_first if entry.kind in ("command", "verb")])
    doing.undo_each([entry for entry in latest_first if entry.kind not in ("process", "command", "verb")])
    removed = [doing.removed[id(entry)] for entry in latest_first if id(entry) in doing.removed]
    folders = [entry.values[0] for entry in entries if entry.kind == "path" and id(entry) not in doing.failed]
    failures = [(entry, doing.failed[id(entry)]) for entry in entries if id(entry) in doing.failed]
    return removed, [
        (entry, why) for entry, why in failures if not (names_one_of(entry, folders) or _is_daemon_gone(entry))
    ]


class _Undoing:
    """One call of `undo_all`: what was removed, and what failed with the reason, by the identity of the entry."""

    def __init__(self, patience: Patience, stop: Stop) -> None:
        self.removed: dict[int, str] = {}
        self.failed: dict[int, str] = {}
        self._patience = patience
        self._stop = stop
        self._why_stopped = "cannot undo all: the session ended"

    def undo_lanes(self, entries: Sequence[UndoEntry]) -> None:
        """Undo commands and verbs; those of one program one after the other, as each machine's verbs."""
        lanes: dict[str, list[UndoEntry]] = {}
        for entry in entries:
            lanes.setdefault("verb" if entry.kind == "verb" else entry.values[0], []).append(entry)
        if len(lanes) <= 1:
            for lane in lanes.values():
                self.undo_each(lane)
            return
        names = f"removing {len(entries)} things of {len(lanes)} programs"
        with ThreadPoolExecutor(len(lanes), "isolation-undo") as pool, undoing(names):
            try:
                for done in [pool.submit(self.undo_each, lane) for lane in lanes.values()]:
                    done.result()
            except BaseException:  # an interrupt: nothing may hold up the end of the pool
                self._stop.now()
                raise

    def undo_each(self, entries: Sequence[UndoEntry]) -> None:
        """Undo entries in this order."""
        until = time.monotonic() + self._patience.runtime
        hanging: dict[str, str] = {}
        with self._stop.reaches():
            for entry in entries:
                self._undo_one(entry, until - time.monotonic(), hanging)

    def _undo_one(self, entry: UndoEntry, seconds: float, hanging: dict[str, str]) -> None:
        """
        Undo one entry.

        Args:
            entry: what to undo.
            seconds: how long all entries of its program may still take.
            hanging: the programs that did not end in time, with the reason.
        """
        whom = _asked(entry)
        left = min(self._patience.command, seconds)
        if entry.kind == "command" and hangs(entry.values[0]):
            left = min(left, deadline("undo.start"))
        if left <= 0:
            hanging[whom] = f"cannot wait longer for '{whom}'"
        if self._stop.is_set:
            self.failed[id(entry)] = self._why_stopped
            return
        if whom in hanging and entry.kind in ("command", "verb"):
            self.failed[id(entry)] = hanging[whom]
            return
        try:
            if undo(entry, left):
                done = "undone by" if entry.kind in ("command", "verb") else f"removed {entry.kind}"
                self.removed[id(entry)] = f"{done} {' '.join(entry.values)}"
        except CommandTimeout as error:
            hanging[whom] = self.failed[id(entry)] = error.what
        except (IsolationError, OSError) as error:
            self.failed[id(entry)] = getattr(error, "what", None) or f"cannot undo {entry.kind}: {error}"
            if self._stop.is_set:  # it was killed
                self._why_stopped = f"cannot run '{' '.join(entry.values)}': no end before the session's end"
                self.failed[id(entry)] = self._why_stopped


def _asked(entry: UndoEntry) -> str:
    """Return who a command or verb waits for: a program, a machine."""
    return " ".join(entry.values[: 1 if entry.kind == "command" else 3])


def _is_daemon_gone(entry: UndoEntry) -> bool:
    """Tell whether a command asks a daemon of ours that was deleted with its data: its socket's folder is gone."""
    sockets = [Path(value.removeprefix("unix://")) for _, value in entry.env if value.startswith("unix:///")]
    ours = [path for path in sockets if run_dir() in path.parents]
    return bool(ours) and not any(path.parent.exists() for path in ours)


def names_one_of(entry: UndoEntry, folders: Sequence[str]) -> bool:
    """Tell whether a command or verb names one of these folders, in its words or its variables."""
    texts = [*entry.values, *(value for _, value in entry.env)]
    return entry.kind in ("command", "verb") and any(folder in text for folder in folders for text in texts)
