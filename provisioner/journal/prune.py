"""Undoes what dead runs left, and tells what is left.

In: the journals.  Out: lines.  A journal that cannot be trusted or read does not stop anything: it is set aside, and
all other records are undone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import IsolationError, one_line
from provisioner.interrupt.lines import Thing, set_source
from provisioner.journal.entry import UndoEntry
from provisioner.journal.names import name_thing
from provisioner.journal.read import Contents, Damage, end_last_line, read_journal
from provisioner.journal.store import Store, UnfitJournal, append
from provisioner.journal.sweep import delete_temporaries, empty_run_folder, end_clients, end_orphans
from provisioner.journal.undo import Patience, short_patience, undo_all
from provisioner.linux.processes import boot_id, is_alive, read_process, with_descendants
from provisioner.progress import tell

BATCH = 64  # journals that are open at once
FAILED = "cannot "
SET_ASIDE = "set "


@dataclass(frozen=True)
class _Dead:
    """The journal of a dead run, locked: its name, its descriptor, and what it holds."""

    name: str
    fd: int
    contents: Contents


def prune(patience: Patience | None = None) -> list[str]:
    """
    Undo what dead runs left: what their journals record, their child processes and their temporary files.

    A journal on which another prune works is skipped.  A journal with something that cannot be undone stays.

    Args:
        patience: how long undoing may take; None for as long as a run's own end may.

    Returns:
        One line for each thing removed; one ("cannot …") for each that cannot be undone; one ("set …") for each
        journal or record that is damaged.
    """
    set_source(left_undone)
    with Store.prepare() as store:
        lines = [*store.aside, *end_orphans()]
        names = store.journals()
        living = False
        for at in range(0, len(names), BATCH):
            dead: list[_Dead] = []
            try:
                for name in names[at : at + BATCH]:
                    living |= not _take(store, name, dead, lines)
                lines += _undo_dead(store, dead, patience)
            finally:
                for journal in dead:
                    os.close(journal.fd)
        lines += delete_temporaries()
        # what runs share goes when none lives; what cannot be undone may still use it
        if not living and not any(line.startswith(FAILED) for line in lines) and store.hold_alone():
            lines += empty_run_folder()
    return [one_line(line) for line in lines]


def prune_at_start() -> None:
    """Undo what dead runs left before a run starts; tell in one line each what is damaged and what stays."""
    lines = prune(short_patience())
    for line in lines:
        if line.startswith(SET_ASIDE):
            tell(line)
    failures = [line for line in lines if line.startswith(FAILED)]
    if failures:
        more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
        tell(f"a killed run's things stay: {failures[0]}{more}; try again: provisioner prune")


def left_undone(dead: bool) -> list[Thing]:
    """
    Return what is made and not undone yet.

    Args:
        dead: whether to return the things of dead processes too; else those of this process and its children.
    """
    own = read_process(os.getpid())
    living = with_descendants([own] if own else [])
    things: list[Thing] = []
    for contents in _read_all():
        owner = contents.owner
        if owner in living or (dead and (owner is None or not is_alive(owner))):
            things += map(name_thing, contents.entries)
    return things


def dead_runs() -> list[Contents]:
    """Return the journals of dead runs, with the entries that prune would undo."""
    dead = [one for one in _read_all() if one.owner is None or not is_alive(one.owner)]
    return [one._replace(entries=_of_this_boot(one)) for one in dead]


def _read_all() -> Iterator[Contents]:
    store = Store.find()
    if store is None:
        return
    with store:
        for name in store.journals():
            with contextlib.suppress(OSError, UnfitJournal), open(store.open_journal(name), "rb") as stream:
                yield read_journal(stream)


def _take(store: Store, name: str, dead: list[_Dead], lines: list[str]) -> bool:
    """Add a dead run's journal to `dead`, or a line to `lines`; False if its run lives."""
    try:
        fd = store.open_journal(name)
    except FileNotFoundError:
        return True
    except UnfitJournal as error:
        lines.append(_set_aside(store, name, str(error)))
        return True
    except OSError as error:  # such as EMFILE: the journal may be valid, and its run may live
        lines.append(f"cannot read '{store.path / name}': {error.strerror}")
        return True
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        return False  # a living run, or another prune
    if os.fstat(fd).st_nlink and name.endswith(".new"):  # an earlier version was killed when it began a journal
        os.unlink(name, dir_fd=store.fd)
    if os.fstat(fd).st_nlink == 0:  # also if another prune was quicker
        os.close(fd)
        return True
    with open(fd, "rb", closefd=False) as stream:
        contents = read_journal(stream)
    if contents.owner is not None and is_alive(contents.owner):
        os.close(fd)
        return False
    dead.append(_Dead(name, fd, contents))
    return True


def _undo_dead(store: Store, dead: Sequence[_Dead], patience: Patience | None) -> list[str]:
    """Undo the entries of all these journals, and delete each that has nothing left."""
    entries = [entry for journal in dead for entry in _of_this_boot(journal.contents)]
    ended = end_clients([journal.name.removesuffix(".jsonl") for journal in dead])
    removed, failures = undo_all(entries, patience)
    failed = {id(entry) for entry, _ in failures}
    lines = [*ended, *removed, *dict.fromkeys(why for _, why in failures)]
    for journal in dead:
        path = store.path / journal.name
        gone = [{"gone": entry.number} for entry in journal.contents.entries if id(entry) not in failed]
        if len(gone) < len(journal.contents.entries):
            with contextlib.suppress(IsolationError, OSError):  # no space: the next prune finds nothing there
                end_last_line(journal.fd)
                append(journal.fd, path, *gone)
        elif journal.contents.damage:
            lines += _keep_damaged(store, journal.name)
        else:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(journal.name, dir_fd=store.fd)
        if damage := journal.contents.damage:
            lines.append(_tell_damage(path, damage))
    return lines


def _tell_damage(path: Path, damage: Damage) -> str:
    if damage.lines == 1:
        return f"set aside line {damage.line} of '{path}': {damage.why}"
    return f"set aside {damage.lines} lines of '{path}', from line {damage.line}: {damage.why}"


def _set_aside(store: Store, name: str, why: str) -> str:
    path = store.path / name
    try:
        return f"set aside '{path}' as '{store.set_aside(name)}': {why}"
    except OSError as error:
        return f"cannot set aside '{path}': {error.strerror}"


def _keep_damaged(store: Store, name: str) -> list[str]:
    """Move a journal away of which all records are undone; its damaged lines are told one by one."""
    line = _set_aside(store, name, "")
    return [line] if line.startswith(FAILED) else []


def _of_this_boot(contents: Contents) -> list[UndoEntry]:
    """Return the entries of things that can still exist."""
    if contents.owner is None or contents.owner.boot == boot_id():
        return contents.entries
    return [entry for entry in contents.entries if entry.outlives_boot()]
