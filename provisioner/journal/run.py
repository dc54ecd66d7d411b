"""Records all that a run makes, so that the next run can undo it after a SIGKILL.

In: an undo entry *before* each thing is made.  Out: run_dir()/runs/<id>.jsonl, one JSON object a line, readable by its
owner alone and locked by flock(2) as long as the run lives.  What another living run made is not touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from provisioner.errors import IsolationError
from provisioner.interrupt.lines import Thing, set_source
from provisioner.interrupt.program import undoing
from provisioner.journal.entry import Kind, UndoEntry, Verb
from provisioner.journal.names import name_thing
from provisioner.journal.undo import check_path, undo_all
from provisioner.linux.processes import Process, boot_id, is_alive, read_process, with_descendants
from provisioner.paths import run_dir

ABANDONED = 60.0  # seconds after which a journal that never got its final name is deleted


class Run:
    """
    One run: its id, and the journal of what it makes.

    Example:
        >>> run = Run.start()
        >>> made = run.made("command", ["docker", "rm", "-f", f"iso-{run.id}"])
        >>> run.gone(made)
        >>> run.close()
        []
    """

    def __init__(self, run_id: str, file: Path, fd: int) -> None:
        self.id = run_id
        self._file = file
        self._fd = fd
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._entries: dict[int, UndoEntry] = {}
        self._count = 0

    @classmethod
    def start(cls) -> Self:
        """Begin a journal; it gets its final name when it is locked and names its owner."""
        folder = _runs()
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        run_id = secrets.token_hex(4)
        fresh = folder / f"{run_id}.new"
        fd = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(fd, fcntl.LOCK_EX)
        owner = read_process(os.getpid())
        assert owner is not None  # this process runs
        _append(fd, {"owner": owner.pid, "start": owner.start, "boot": owner.boot})
        os.rename(fresh, folder / f"{run_id}.jsonl")
        set_source(left_undone)
        return cls(run_id, folder / f"{run_id}.jsonl", fd)

    def made(
        self, kind: Kind, what: Sequence[str] | str | Path | int, env: Mapping[str, str] | None = None
    ) -> UndoEntry:
        """
        Record, durably, how a thing is undone.  Call it before the thing is made; for a process, right after.

        Args:
            kind: "command" (an argument list that deletes it), "verb" (a verb of cli/undo.py and its arguments),
                "cgroup", "path" or "mount" (a path), "netns" (a name), "process" (a pid).
            what: the argument list, path, name or pid.
            env: variables that a command needs beside the environment's.

        Returns:
            The entry, for `gone`.

        Raises:
            IsolationError: no such kind or verb, a path outside of our folders, or a process that does not exist.
        """
        if kind not in get_args(Kind):
            raise IsolationError(f"cannot record '{kind}': no such kind of thing")
        values = (str(what),) if isinstance(what, str | Path | int) else tuple(what)
        if kind == "verb" and values[0] not in get_args(Verb):
            raise IsolationError(f"cannot record '{values[0]}': no such verb")
        process: Process | None = None
        if isinstance(what, int):
            process = read_process(what)
            if process is None:
                raise IsolationError(f"cannot record process {what}: it does not exist")
        if kind == "path":
            check_path(Path(values[0]))
        with self._lock:
            self._count += 1
            entry = UndoEntry(self._count, kind, values, tuple((env or {}).items()), process)
            _append(self._fd, entry.dump())
            self._entries[entry.number] = entry
        return entry

    def gone(self, entry: UndoEntry) -> None:
        """Record that a thing no longer exists; a second call does nothing."""
        with self._lock:
            if self._entries.pop(entry.number, None):
                _append(self._fd, {"gone": entry.number})

    def close(self) -> list[str]:
        """
        Undo what is left, the last thing first, and delete the journal.

        Returns:
            One line for each thing removed.  A forked child removes nothing: all belongs to its parent.

        Raises:
            IsolationError: something cannot be undone; the journal stays, for a later prune.
        """
        if os.getpid() != self._pid or self._fd < 0:
            return []
        with undoing(), self._lock:
            removed, failures = undo_all(list(self._entries.values()))
            self._entries.clear()
            if failures:
                _rewrite(self._fd, [entry for entry, _ in failures])
            else:
                self._file.unlink(missing_ok=True)
            os.close(self._fd)
            self._fd = -1
        if failures:
            raise IsolationError(
                failures[0][1], hint="then: provisioner prune", log="\n".join(why for _, why in failures)
            )
        return removed

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def prune() -> list[str]:
    """
    Undo what dead runs left.

    A journal on which another prune works is skipped.  A journal with something that cannot be undone stays.

    Returns:
        One line for each thing removed, and one ("cannot …") for each that cannot be undone.
    """
    set_source(left_undone)
    lines = []
    for file in sorted([*_runs().glob("*.jsonl"), *_runs().glob("*.new")]):
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            try:
                lines += _prune_one(file, fd)
            finally:
                os.close(fd)
    return lines


def _prune_one(file: Path, fd: int) -> list[str]:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return []  # a living run, or another prune
    if os.fstat(fd).st_nlink == 0:
        return []  # another prune was quicker
    if file.suffix == ".new":
        if time.time() - os.fstat(fd).st_mtime > ABANDONED:
            file.unlink(missing_ok=True)
        return []
    with open(os.dup(fd), "rb") as stream:
        stream.seek(0)
        owner, entries = parse_journal(stream.read().decode(errors="replace"))
    if owner is not None and is_alive(owner):
        return []
    if owner is None or owner.boot != boot_id():
        entries = [entry for entry in entries if entry.outlives_boot()]
    removed, failures = undo_all(entries)
    if failures:
        _rewrite(fd, [entry for entry, _ in failures], owner)
    else:
        file.unlink(missing_ok=True)
    return [*removed, *(why for _, why in failures)]


def parse_journal(text: str) -> tuple[Process | None, list[UndoEntry]]:
    """Return a journal's owner and the entries not yet undone; a line cut off by a crash is ignored."""
    owner: Process | None = None
    entries: dict[int, UndoEntry] = {}
    for line in text.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            document: dict[str, Any] = json.loads(line)
            if "owner" in document:
                owner = Process(int(document["owner"]), int(document["start"]), str(document["boot"]))
            elif "gone" in document:
                entries.pop(document["gone"], None)
            else:
                entry = UndoEntry.load(document)
                entries[entry.number] = entry
    return owner, list(entries.values())


def left_undone(dead: bool) -> list[Thing]:
    """
    Return what is made and not undone yet.

    Args:
        dead: whether to return the things of dead processes too; else those of this process and its children.
    """
    own = read_process(os.getpid())
    living = with_descendants([own] if own else [])
    things: list[Thing] = []
    for file in sorted(_runs().glob("*.jsonl")):
        with contextlib.suppress(OSError):
            owner, entries = parse_journal(file.read_text(errors="replace"))
            if owner in living or (dead and (owner is None or not is_alive(owner))):
                things += map(name_thing, entries)
    return things


def _runs() -> Path:
    return run_dir() / "runs"


def _append(fd: int, line: Mapping[str, Any]) -> None:
    os.write(fd, json.dumps(line).encode() + b"\n")
    os.fsync(fd)


def _rewrite(fd: int, entries: Sequence[UndoEntry], owner: Process | None = None) -> None:
    """Keep only these entries.  Without an owner, write pid 0: a dead one."""
    owner = owner or Process(0, 0, boot_id())
    lines: list[Mapping[str, Any]] = [{"owner": owner.pid, "start": owner.start, "boot": owner.boot}]
    lines += [entry.dump() for entry in entries]
    os.ftruncate(fd, 0)
    os.write(fd, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    os.fsync(fd)
