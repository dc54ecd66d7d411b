"""Records all that a run makes, so that the next run can undo it after a SIGKILL.

In: an undo entry *before* each thing is made.  Out: run_dir()/runs/<id>.jsonl, one JSON object a line, readable by its
owner alone and locked by flock(2) as long as the run lives.  What another living run made is not touched.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self, get_args

from provisioner.errors import IsolationError
from provisioner.files.maker import temporary_name
from provisioner.interrupt.lines import set_source
from provisioner.interrupt.program import undoing
from provisioner.journal.entry import Kind, UndoEntry, Verb
from provisioner.journal.lanes import undo_all
from provisioner.journal.prune import left_undone
from provisioner.journal.store import Store, append
from provisioner.journal.sweep import empty_run_folder
from provisioner.journal.undo import check_path
from provisioner.linux.processes import Process, boot_id, read_process
from provisioner.progress import tell


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

    def __init__(self, run_id: str, store: Store, fd: int) -> None:
        self.id = run_id
        self._store = store
        self._name = f"{run_id}.jsonl"
        self._path = store.path / self._name
        self._fd = fd
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._entries: dict[int, UndoEntry] = {}
        self._count = 0

    @classmethod
    def start(cls) -> Self:
        """
        Begin a journal; it gets its final name when it is locked and names its owner.

        Raises:
            IsolationError: it cannot be written.
        """
        owner = read_process(os.getpid())
        assert owner is not None  # this process runs
        store = Store.prepare()
        for line in store.aside:
            tell(line)
        run_id, fresh = secrets.token_hex(4), temporary_name()
        fd = -1
        try:
            store.hold()
            fd = store.make_journal(fresh)
            fcntl.flock(fd, fcntl.LOCK_EX)
            append(fd, store.path / f"{run_id}.jsonl", _owner_line(owner))
            os.rename(fresh, f"{run_id}.jsonl", src_dir_fd=store.fd, dst_dir_fd=store.fd)
        except BaseException:
            if fd >= 0:
                os.close(fd)
                with contextlib.suppress(OSError):
                    os.unlink(fresh, dir_fd=store.fd)
            store.close()
            raise
        set_source(left_undone)
        return cls(run_id, store, fd)

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
            IsolationError: no such kind or verb, a path outside of our folders, a process that does not exist, or no
                space for the record: then nothing may be made.
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
            try:
                entry = UndoEntry(self._count + 1, kind, values, tuple((env or {}).items()), process)
            except ValueError as error:
                raise IsolationError(f"cannot record {kind} {values!r:.200}: {error}") from None
            append(self._fd, self._path, entry.dump())
            self._count = entry.number
            self._entries[entry.number] = entry
        return entry

    def gone(self, entry: UndoEntry) -> None:
        """Record that a thing no longer exists; a second call does nothing."""
        with self._lock:
            if self._entries.pop(entry.number, None):
                with contextlib.suppress(IsolationError):  # no space: a later prune finds that nothing is there
                    append(self._fd, self._path, {"gone": entry.number})

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
            if failures:
                failed = [entry.number for entry, _ in failures]
                gone = [{"gone": number} for number in self._entries if number not in failed]
                with contextlib.suppress(IsolationError):
                    # no process is the owner now, so that a prune by this process undoes the rest
                    append(self._fd, self._path, *gone, _owner_line(Process(0, 0, boot_id())))
            else:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(self._name, dir_fd=self._store.fd)
                if not self._store.journals() and self._store.hold_alone():
                    empty_run_folder()
            self._entries.clear()
            os.close(self._fd)
            self._fd = -1
            self._store.close()
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


def _owner_line(owner: Process) -> dict[str, Any]:
    return {"owner": owner.pid, "start": owner.start, "boot": owner.boot}
