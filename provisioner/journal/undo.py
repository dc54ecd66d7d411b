"""Undoes one entry of a journal.

In: an `UndoEntry`.  Out: whether there was anything to undo, or an IsolationError.  What does not exist counts as
undone.  Each kind ends within a deadline.  Files are deleted only below this project's folders and never through a
mount.
"""

from __future__ import annotations

import contextlib
import re
import stat
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from provisioner.connection.hanging import refuse_silent
from provisioner.connection.local import CommandTimeout, run_command, undisturbed
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

# another process deletes it already: dockerd does when the client of `run --rm` dies
IN_PROGRESS = re.compile(r"is already in progress", re.IGNORECASE)
POLL = 0.5  # seconds


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
    until = time.monotonic() + seconds
    try:
        with undisturbed():
            done = run_command(argv, seconds, env, tied=True)
            while IN_PROGRESS.search(done.stderr.decode("utf-8", "replace")) and time.monotonic() + POLL < until:
                time.sleep(POLL)
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
