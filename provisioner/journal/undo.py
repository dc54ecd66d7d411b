"""Undoes the entries of a journal.

In: `UndoEntry` objects.  Out: whether there was anything to undo, or an IsolationError.  What does not exist counts as
undone.  Each kind ends within a deadline.  Files are deleted only below this project's folders and never through a
mount.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.files.folder import Folder
from provisioner.interrupt.program import undoing
from provisioner.journal.entry import UndoEntry
from provisioner.journal.names import name_thing
from provisioner.linux.cgroups import delete_cgroup
from provisioner.linux.mounts import unmount, unmount_below
from provisioner.linux.netns import delete_netns
from provisioner.linux.processes import is_alive, kill_all
from provisioner.paths import cache_dir, import_path, run_dir

TIMEOUT = 240.0  # seconds for one command: an emulated machine needs minutes to shut down
NOT_THERE = re.compile(
    r"no such|not found|not exist|no longer exist|unknown (container|domain)|not known|is not running", re.IGNORECASE
)


def undo_all(entries: Sequence[UndoEntry]) -> tuple[list[str], list[tuple[UndoEntry, str]]]:
    """
    Undo entries, the last first.

    A command that fails is forgiven if it names a folder that was deleted with it: a daemon's socket lies in its data
    root, and what the daemon held is gone with that folder.

    Returns:
        One line for each thing removed, and each entry that failed with the reason, in the journal's order.
    """
    removed: list[str] = []
    failures: list[tuple[UndoEntry, str]] = []
    folders: list[str] = []
    for entry in sorted(entries, key=lambda entry: entry.number, reverse=True):
        try:
            if undo(entry):
                done = "undone by" if entry.kind in ("command", "verb") else f"removed {entry.kind}"
                removed.append(f"{done} {' '.join(entry.values)}")
            if entry.kind == "path":
                folders.append(entry.values[0])
        except (IsolationError, OSError) as error:
            failures.append((entry, getattr(error, "what", None) or f"cannot undo {entry.kind}: {error}"))
    failures = [(entry, why) for entry, why in failures if not _names_one_of(entry, folders)]
    return removed, failures[::-1]


def undo(entry: UndoEntry) -> bool:
    """
    Undo one entry.

    Returns:
        False if the thing did not exist.

    Raises:
        IsolationError: it cannot be undone.
    """
    path = Path(entry.values[0]) if entry.values else Path()
    actions: dict[str, Callable[[], bool]] = {
        "command": lambda: _run(entry.values, dict(entry.env)),
        "verb": lambda: _run([sys.executable, "-m", "provisioner.cli.undo", *entry.values], import_path()),
        "cgroup": lambda: delete_cgroup(path),
        "path": lambda: _remove_path(path),
        "process": lambda: _end_process(entry),
        "netns": lambda: delete_netns(entry.values[0]),
        "mount": lambda: unmount(path),
    }
    if entry.kind not in actions:
        raise IsolationError(f"cannot undo '{entry.kind}': no such kind of thing")
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


def _remove_path(path: Path) -> bool:
    """Delete a file or a tree.  Other users may own folders on the path, so no link below our folders is followed."""
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


def _run(argv: Sequence[str], env: Mapping[str, str]) -> bool:
    try:
        done = subprocess.run(
            argv,
            env={**os.environ, **env},
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


def _end_process(entry: UndoEntry) -> bool:
    if entry.process is None or not is_alive(entry.process):
        return False
    if kill_all([entry.process]):
        raise IsolationError(f"cannot end process {entry.process.pid}: it is still there after SIGKILL")
    return True


def _names_one_of(entry: UndoEntry, folders: Sequence[str]) -> bool:
    texts = [*entry.values, *(value for _, value in entry.env)]
    return entry.kind in ("command", "verb") and any(folder in text for folder in folders for text in texts)
