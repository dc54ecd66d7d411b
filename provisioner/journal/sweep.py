"""Finds what dead processes of this project left outside of the journals, and deletes it.

In: the names of temporary files and the environment of processes, which identify their maker (files/maker.py).
Out: lines.  Only makers of this boot and this pid namespace can be looked up: a cache may be shared with containers and
with other hosts.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.files.maker import VARIABLE, Maker, maker_of, marked_by, this_process
from provisioner.journal.entry import UndoEntry
from provisioner.journal.undo import undo
from provisioner.linux.mounts import mounted_below, unmount
from provisioner.linux.processes import Process, kill_all, parent_of, read_process
from provisioner.paths import cache_dir, run_dir, state_dir

FORGOTTEN = 86400.0  # seconds after which a temporary file counts as left, if its maker cannot be looked up
PERMANENT = "runs"  # how the folders of the run folder begin that stay: the journals, and what stood in their place


def end_orphans() -> list[str]:
    """Kill the commands that dead processes left behind, with their helpers; return one line each."""
    return _end(_is_marked_by_dead)


def end_clients(runs: Collection[str]) -> list[str]:
    """
    Kill the clients of sandboxes that dead runs left behind, with their helpers; return one line each.

    A client's environment carries no mark, because some runtimes hand it on into the sandbox.  A client works in its
    sandbox's folder.

    Args:
        runs: the ids of dead runs.
    """
    folders = tuple(f"{run_dir().resolve() / run}/" for run in runs)
    return _end(lambda pid: _read_link(pid, "cwd").startswith(folders))


def _end(is_left: Callable[[int], bool]) -> list[str]:
    """
    Kill the processes of this user that a function chooses and that hold a pipe as a standard stream.

    A daemon that a runtime starts for itself, such as the pause process of rootless Podman, holds none, and neither
    does a user's shell: they are left alone.
    """
    spared = set(_this_and_ancestors())
    doomed: dict[Process, str] = {}
    for pid in _pids():
        if not is_left(pid) or not _holds_pipe(pid):
            continue
        process = read_process(pid)
        if process is not None and process not in spared and is_left(pid):  # again: the pid may be another's now
            doomed[process] = _command(pid)
    left = kill_all(doomed)
    return [
        f"cannot end process {process.pid}: it is still there after SIGKILL"
        if process in left
        else f"removed process {process.pid} ({name})"
        for process, name in doomed.items()
    ]


def delete_temporaries() -> list[str]:
    """Delete the temporary files of dead makers in the cache and the run folder; return one line each."""
    lines = []
    for folder in (cache_dir(), run_dir()):
        for path in [*folder.glob(".tmp-*"), *folder.glob("*/.tmp-*")]:
            maker = maker_of(path.name)
            with contextlib.suppress(FileNotFoundError):
                if maker is not None and _is_dead(maker, path.lstat().st_mtime):
                    lines += _delete(path)
    return lines


def empty_run_folder() -> list[str]:
    """
    Delete the folders that runs share, such as a runtime's own; call it only if no run lives.

    What a runtime left mounted in the state folder goes first: a killed podman leaves its storage bound to itself.
    """
    unmounted = [f"removed mount {path}" for path in mounted_below(state_dir()) if unmount(path)]
    with os.scandir(run_dir()) as scan:
        paths = [Path(entry.path) for entry in scan if entry.is_dir(follow_symlinks=False)]
    removed = [line for path in sorted(paths) if not path.name.startswith(PERMANENT) for line in _delete(path)]
    return [*unmounted, *removed]


def _delete(path: Path) -> list[str]:
    try:
        return [f"removed path {path}"] if undo(UndoEntry(0, "path", (str(path),))) else []
    except IsolationError as error:
        return [error.what]
    except OSError as error:
        return [f"cannot remove '{path}': {error.strerror}"]


def _is_dead(maker: Maker, changed: float) -> bool:
    """
    Tell whether the maker of a file no longer runs.

    Args:
        maker: the maker.
        changed: the time of the file's last change.
    """
    own = this_process()
    if maker.boot != own.boot:
        return changed < time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    if maker.namespace != own.namespace:
        return changed < time.time() - FORGOTTEN
    process = read_process(maker.pid)
    return process is None or process.start != maker.start


def _is_marked_by_dead(pid: int) -> bool:
    try:
        if os.stat(f"/proc/{pid}").st_uid != os.geteuid():
            return False
        with open(f"/proc/{pid}/environ", "rb") as file:
            data = b"\0" + file.read()
    except OSError:  # another user's, or it ended
        return False
    _, found, rest = data.partition(b"\0" + VARIABLE.encode() + b"=")
    if not found:
        return False
    text = rest.partition(b"\0")[0]
    maker, own = marked_by(os.fsdecode(text)), this_process()
    if maker is None or (maker.boot, maker.namespace) != (own.boot, own.namespace):
        return False
    return _is_dead(maker, 0.0)


def _holds_pipe(pid: int) -> bool:
    return any(_read_link(pid, f"fd/{number}").startswith("pipe:") for number in (0, 1, 2))


def _read_link(pid: int, name: str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/{name}")
    except OSError:
        return ""


def _pids() -> Iterator[int]:
    """Yield the processes of this user; all for root, who starts some as another user."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            with contextlib.suppress(OSError):
                if os.geteuid() in (0, os.stat(f"/proc/{name}").st_uid):
                    yield int(name)


def _this_and_ancestors() -> Iterator[Process]:
    process = read_process(os.getpid())
    while process is not None:
        yield process
        process = parent_of(process)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "?"
