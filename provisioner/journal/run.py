"""Keeps the record of all that a run makes, so that the next run can take it away after a SIGKILL.

In: an undo record *before* each thing is made.  Out: run_dir()/runs/<id>.jsonl, one JSON object a line, locked by
flock(2) for as long as the run lives.  Called by sandboxes/, daemon.py and machines/; `prune` by the plugin's start and
by the command line.  It never touches what another living run has made, and deletes files only below our own folders.
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
from provisioner.journal.undo import Kind, UndoEntry, check_path, undo_all
from provisioner.linux.processes import Process, boot_id, is_alive, read_process
from provisioner.paths import run_dir

ABANDONED = 60.0  # seconds after which a journal that never got its name is nobody's


class Run:
    """
    One run: its id, and the journal of what it has made.

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
        self._records: dict[int, UndoEntry] = {}
        self._count = 0

    @classmethod
    def start(cls) -> Self:
        """Begin a journal; it gets its final name only when it is locked and has named its owner."""
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
        return cls(run_id, folder / f"{run_id}.jsonl", fd)

    def made(
        self, kind: Kind, what: Sequence[str] | str | Path | int, env: Mapping[str, str] | None = None
    ) -> UndoEntry:
        """
        Write down, durably, how a thing is undone; call it before the thing is made (a process: right after).

        Args:
            kind: "command" (an argument list that deletes it), "cgroup", "path", "mount" (a path), "netns" or "mqueue"
                (a name), "shm" (a key), or "process" (a pid).
            what: the argument list, path, name, key or pid.
            env: variables that the command needs beside the environment's.

        Raises:
            IsolationError: a path outside of our own folders, or a process that is not there.
        """
        if kind not in get_args(Kind):
            raise IsolationError(f"cannot record '{kind}': no such kind of thing")
        process: Process | None = None
        if isinstance(what, int):
            process = read_process(what)
            if process is None:
                raise IsolationError(f"cannot record process {what}: it is not there")
        values = (str(what),) if isinstance(what, str | Path | int) else tuple(what)
        if kind == "path":
            check_path(Path(values[0]))
        with self._lock:
            self._count += 1
            record = UndoEntry(self._count, kind, values, tuple((env or {}).items()), process)
            _append(self._fd, record.dump())
            self._records[record.number] = record
        return record

    def gone(self, record: UndoEntry) -> None:
        """Write down that a thing is no longer there; twice is fine."""
        with self._lock:
            if self._records.pop(record.number, None):
                _append(self._fd, {"gone": record.number})

    def close(self) -> list[str]:
        """
        Undo what is left, the last thing first, and remove the journal.

        Returns:
            One line for each thing removed; nothing in a forked child, which owns none of it.

        Raises:
            IsolationError: something would not go; the journal stays, for a later prune.
        """
        if os.getpid() != self._pid or self._fd < 0:
            return []
        with self._lock:
            removed, failures = undo_all(list(self._records.values()))
            self._records.clear()
            if failures:
                _rewrite(self._fd, [record for record, _ in failures])
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
    Undo what dead runs have left.

    A journal that another prune works on is skipped; one of which something could not be undone stays for the next.

    Returns:
        One line for each thing removed, and one ("cannot …") for each that would not go.
    """
    said = []
    for file in sorted([*_runs().glob("*.jsonl"), *_runs().glob("*.new")]):
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(file, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
            try:
                said += _prune_one(file, fd)
            finally:
                os.close(fd)
    return said


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
        owner, records = parse_journal(stream.read().decode(errors="replace"))
    if owner is not None and is_alive(owner):
        return []
    if owner is None or owner.boot != boot_id():
        records = [record for record in records if record.outlives_boot()]
    removed, failures = undo_all(records)
    if failures:
        _rewrite(fd, [record for record, _ in failures], owner)
    else:
        file.unlink(missing_ok=True)
    return [*removed, *(why for _, why in failures)]


def parse_journal(text: str) -> tuple[Process | None, list[UndoEntry]]:
    """Turn a journal's text into its owner and the things not yet gone; a line cut off by a crash is left out."""
    owner: Process | None = None
    records: dict[int, UndoEntry] = {}
    for line in text.splitlines():
        with contextlib.suppress(ValueError, KeyError, TypeError):
            entry: dict[str, Any] = json.loads(line)
            if "owner" in entry:
                owner = Process(int(entry["owner"]), int(entry["start"]), str(entry["boot"]))
            elif "gone" in entry:
                records.pop(entry["gone"], None)
            else:
                record = UndoEntry.load(entry)
                records[record.number] = record
    return owner, list(records.values())


def _runs() -> Path:
    return run_dir() / "runs"


def _append(fd: int, entry: Mapping[str, Any]) -> None:
    os.write(fd, json.dumps(entry).encode() + b"\n")
    os.fsync(fd)


def _rewrite(fd: int, records: Sequence[UndoEntry], owner: Process | None = None) -> None:
    """Keep only these records; an owner that ends now is written as one that is dead: pid 0."""
    owner = owner or Process(0, 0, boot_id())
    lines: list[Mapping[str, Any]] = [{"owner": owner.pid, "start": owner.start, "boot": owner.boot}]
    lines += [record.dump() for record in records]
    os.ftruncate(fd, 0)
    os.write(fd, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    os.fsync(fd)
