"""Undoes the entries of a journal.

In: `UndoEntry` objects.  Out: whether there was anything to undo, or an IsolationError.  What does not exist counts as
undone.  Each kind ends within a deadline.  Files are deleted only below this project's folders and never through a
mount.
"""

from __future__ import annotations

import contextlib
import math
import re
import stat
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from provisioner.connection.hanging import hangs, refuse_silent
from provisioner.connection.local import CommandTimeout, end_commands, run_command, undisturbed
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.files.folder import Folder
from provisioner.interrupt.program import undoing
from provisioner.journal.entry import UndoEntry
from provisioner.journal.names import name_thing
from provisioner.linux.cgroups import delete_cgroup
from provisioner.linux.mounts import unmount, unmount_below
from provisioner.linux.netns import delete_netns
from provisioner.linux.processes import is_alive, kill_all, with_descendants
from provisioner.paths import cache_dir, import_path, run_dir

NOT_THERE = re.compile(
    r"no such|not found|not exist|no longer exist|unknown (container|domain)|not known|is not running", re.IGNORECASE
)


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


def undo_all(
    entries: Sequence[UndoEntry], patience: Patience | None = None
) -> tuple[list[str], list[tuple[UndoEntry, str]]]:
    """
    Undo entries: first processes, then commands and verbs, then all that remains; each the last first.

    The commands of different programs run side by side.  After one that did not end in time, the others of the same
    program are not tried.  A command that fails is forgiven if it names a folder that was deleted with it, or a socket
    in a folder of ours that is gone: a daemon's socket lies in its data root, and what it held is gone with it.

    Args:
        entries: what to undo, in the order in which it was made.
        patience: how long it may take; None for `long_patience`.

    Returns:
        One line for each thing removed, and each entry that failed with the reason, in the order of `entries`.
    """
    doing = _Undoing(patience or long_patience())
    latest_first = list(reversed(entries))
    doing.undo_each([entry for entry in latest_first if entry.kind == "process"])
    doing.undo_lanes([entry for entry in latest_first if entry.kind in ("command", "verb")])
    doing.undo_each([entry for entry in latest_first if entry.kind not in ("process", "command", "verb")])
    removed = [doing.removed[id(entry)] for entry in latest_first if id(entry) in doing.removed]
    folders = [entry.values[0] for entry in entries if entry.kind == "path" and id(entry) not in doing.failed]
    failures = [(entry, doing.failed[id(entry)]) for entry in entries if id(entry) in doing.failed]
    return removed, [
        (entry, why) for entry, why in failures if not (_names_one_of(entry, folders) or _is_daemon_gone(entry))
    ]


class _Undoing:
    """One call of `undo_all`: what was removed, and what failed with the reason, by the identity of the entry."""

    def __init__(self, patience: Patience) -> None:
        self.removed: dict[int, str] = {}
        self.failed: dict[int, str] = {}
        self._patience = patience
        self._stopped = threading.Event()

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
                self._stopped.set()
                end_commands(all_of_them=True)
                raise

    def undo_each(self, entries: Sequence[UndoEntry]) -> None:
        """Undo entries in this order."""
        until = time.monotonic() + self._patience.runtime
        hanging: dict[str, str] = {}
        for entry in entries:
            if self._stopped.is_set():
                return
            whom = _asked(entry)
            left = min(self._patience.command, until - time.monotonic())
            if entry.kind == "command" and hangs(entry.values[0]):
                left = min(left, deadline("undo.start"))
            if left <= 0:
                hanging[whom] = f"cannot wait longer for '{whom}'"
            if whom in hanging and entry.kind in ("command", "verb"):
                self.failed[id(entry)] = hanging[whom]
                continue
            try:
                if undo(entry, left):
                    done = "undone by" if entry.kind in ("command", "verb") else f"removed {entry.kind}"
                    self.removed[id(entry)] = f"{done} {' '.join(entry.values)}"
            except CommandTimeout as error:
                hanging[whom] = self.failed[id(entry)] = error.what
            except (IsolationError, OSError) as error:
                self.failed[id(entry)] = getattr(error, "what", None) or f"cannot undo {entry.kind}: {error}"


def _asked(entry: UndoEntry) -> str:
    """Return who a command or verb waits for: a program, a machine."""
    return " ".join(entry.values[: 1 if entry.kind == "command" else 3])


def undo(entry: UndoEntry, seconds: float | None = None) -> bool:
    """
    Undo one entry.

    Args:
        entry: what to undo.
        seconds: how long a command or verb may take; None for that of `long_patience`.

    Returns:
        False if the thing did not exist.

    Raises:
        IsolationError: it cannot be undone.
    """
    path = Path(entry.values[0]) if entry.values else Path()
    actions: dict[str, Callable[[], bool]] = {
        "command": lambda: _run(entry.values, dict(entry.env), seconds),
        "verb": lambda: _run([sys.executable, "-m", "provisioner.cli.undo", *entry.values], import_path(), seconds),
        "cgroup": lambda: delete_cgroup(path),
        "path": lambda: remove_path(path),
        "process": lambda: _end_process(entry),
        "netns": lambda: delete_netns(entry.values[0]),
        "mount": lambda: unmount(path),
    }
    with undoing(f"removing {' '.join(name_thing(entry))}"):
        return actions[entry.kind]()


def check_path(path: Path) -> Path:
    """
    Return the path with the links of its folder resolved.

    Raises:
        IsolationError: it is not below the cache or the run folder.
    """
    real = path.parent.resolve() / path.name
    if path.is_absolute() and path.name != ".." and any(folder.resolve() in real.parents for folder in _folders()):
        return real
    raise IsolationError(f"cannot remove '{path}': not below our folders", hint="use the cache or run folder")


def _folders() -> tuple[Path, ...]:
    return cache_dir(), run_dir()


def remove_path(path: Path) -> bool:
    """
    Delete a file or a tree below the cache or the run folder; mounts in it are detached first.

    Other users may own folders on the path, so no link below our folders is followed.

    Returns:
        False if it does not exist.

    Raises:
        IsolationError: it is not below our folders, or cannot be deleted.
    """
    path = check_path(path)
    top = next(folder for folder in (each.resolve() for each in _folders()) if folder in path.parents)
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(Folder.open(top))
        try:
            for name in path.relative_to(top).parent.parts:
                folder = stack.enter_context(folder.folder(name))
        except FileNotFoundError:
            return False
        status = folder.status(path.name)
        if status and stat.S_ISDIR(status.st_mode):
            unmount_below(path)  # a bind mount in it shows files that are not ours
        return folder.delete(path.name)


def _run(argv: Sequence[str], env: Mapping[str, str], seconds: float | None) -> bool:
    seconds = deadline("undo") if seconds is None else seconds
    shown = " ".join(argv)
    refuse_silent(argv[0])
    try:
        with undisturbed():
            done = run_command(argv, seconds, env, tied=True)
    except CommandTimeout:
        raise CommandTimeout(f"cannot run '{shown}': no end after {seconds:.0f} s") from None
    except IsolationError as error:
        raise IsolationError(f"cannot run '{shown}': {error.what.partition(': ')[2]}") from None
    errors = done.stderr.decode("utf-8", "replace")
    if done.status == 0:
        return True
    if NOT_THERE.search(errors):
        return False
    last = (errors.strip().splitlines() or [f"exit status {done.status}"])[-1]
    raise IsolationError(f"cannot run '{shown}': {last}", log=errors[-2000:])


def _end_process(entry: UndoEntry) -> bool:
    if entry.process is None or not is_alive(entry.process):
        return False
    if kill_all(with_descendants([entry.process])):
        raise IsolationError(f"cannot end process {entry.process.pid}: it is still there after SIGKILL")
    return True


def _is_daemon_gone(entry: UndoEntry) -> bool:
    """Tell whether a command asks a daemon of ours that was deleted with its data: its socket's folder is gone."""
    sockets = [Path(value.removeprefix("unix://")) for _, value in entry.env if value.startswith("unix:///")]
    ours = [path for path in sockets if run_dir() in path.parents]
    return bool(ours) and not any(path.parent.exists() for path in ours)


def _names_one_of(entry: UndoEntry, folders: Sequence[str]) -> bool:
    texts = [*entry.values, *(value for _, value in entry.env)]
    return entry.kind in ("command", "verb") and any(folder in text for folder in folders for text in texts)
