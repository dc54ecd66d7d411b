"""Undoes what dead runs left, and tells what is left.

In: the journals.  Out: lines.  A journal that cannot be trusted or read does not stop anything: it is set aside, and
all other records are undone.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import IsolationError, one_line
from provisioner.interrupt.lines import Thing, set_source
from provisioner.journal.entry import UndoEntry
from provisioner.journal.lanes import Patience, Stop, names_one_of, undo_all
from provisioner.journal.names import name_thing
from provisioner.journal.needs import Needs
from provisioner.journal.read import Contents, Damage, end_last_line, read_journal
from provisioner.journal.store import Store, UnfitJournal, append
from provisioner.journal.sweep import delete_temporaries, empty_run_folder, end_clients, end_orphans
from provisioner.linux.processes import boot_id, is_alive, read_process, with_descendants
from provisioner.progress import tell

BATCH = 64  # journals that are open at once
FAILED = "cannot "
SET_ASIDE = "set "
Only = Callable[[UndoEntry], bool] | None


@dataclass(frozen=True)
class _Batch:
    """Journals of dead runs, and whether the run of another one lives."""

    journals: Sequence[_Dead]
    living: bool


@dataclass(frozen=True)
class _Dead:
    """The journal of a dead run, locked: its name, its descriptor, and what it holds."""

    name: str
    fd: int
    contents: Contents


def prune(patience: Patience | None = None, needs: Needs | None = None) -> list[str]:
    """
    Undo what dead runs left: what their journals record, their child processes and their temporary files.

    A journal on which another prune works is skipped.  A journal with something that cannot be undone stays.

    Args:
        patience: how long undoing may take; None for as long as a run's own end may.
        needs: what the caller is about to use.  Journals with what can wait stay; None: all are undone.

    Returns:
        One line for each thing removed; one ("cannot …") for each that cannot be undone; one ("set …") for each
        journal or record that is damaged.
    """
    return prune_needed(patience, needs)[0]


def prune_needed(patience: Patience | None, needs: Needs | None) -> tuple[list[str], list[str]]:
    """Like `prune`, but return also the names of the journals with what waits."""
    set_source(left_undone)
    waiting: list[str] = []
    with Store.prepare() as store:
        lines = [*store.aside, *end_orphans()]
        living = False
        for dead in _batches(store, store.journals(), lines):
            living |= dead.living
            later = _waiting(dead.journals, needs) if needs else []
            lines += _undo_dead(store, [one for one in dead.journals if one not in later], patience)
            lines += _undo_dead(store, later, patience, needs.is_first if needs else None)
            waiting += [journal.name for journal in later]
        lines += delete_temporaries()
        # what runs share goes when none lives; what is not undone may still use it
        undone = not waiting and not any(line.startswith(FAILED) for line in lines)
        if not living and undone and store.hold_alone():
            lines += empty_run_folder()
    return [one_line(line) for line in lines], waiting


def prune_journals(names: Sequence[str], patience: Patience, stop: Stop) -> list[str]:
    """
    Undo what these journals of dead runs record; return lines as `prune` does.

    Args:
        names: of journals.  One that is gone, or on which another prune works, is skipped.
        patience: how long undoing may take.
        stop: ends it from another thread.
    """
    lines: list[str] = []
    with Store.prepare() as store:
        for dead in _batches(store, names, lines):
            lines += _undo_dead(store, dead.journals, patience, stop=stop)
    return [one_line(line) for line in lines]


def tell_failures(lines: Sequence[str]) -> None:
    """Tell what is damaged, one line each, and in one line what stays; `lines` are those of a prune."""
    for line in lines:
        if line.startswith(SET_ASIDE):
            tell(line)
    if line := stays(lines):
        tell(line)


def stays(lines: Sequence[str]) -> str:
    """Return one line about what a prune could not undo; "" if there is nothing."""
    failures = [line for line in lines if line.startswith(FAILED)]
    if not failures:
        return ""
    more = f" (and {len(failures) - 1} more)" if len(failures) > 1 else ""
    return f"a killed run's things stay: {failures[0]}{more}; try again: provisioner prune"


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


def _batches(store: Store, names: Sequence[str], lines: list[str]) -> Iterator[_Batch]:
    """Yield the journals of dead runs, locked until the next batch; add a line for each that cannot be used."""
    for at in range(0, len(names), BATCH):
        dead: list[_Dead] = []
        try:
            taken = [_take(store, name, dead, lines) for name in names[at : at + BATCH]]
            yield _Batch(dead, not all(taken))
        finally:
            for journal in dead:
                os.close(journal.fd)


def _waiting(dead: Sequence[_Dead], needs: Needs) -> list[_Dead]:
    """
    Return the journals that can wait.

    The files of one go after its commands; so do those of a daemon whose folder such a command names.
    """
    later = [one for one in dead if any(map(needs.waits, _of_this_boot(one.contents)))]
    asking = [entry for one in later for entry in one.contents.entries]

    def is_asked(one: _Dead) -> bool:
        folders = [entry.values[0] for entry in one.contents.entries if entry.kind == "path"]
        return any(names_one_of(entry, folders) for entry in asking)

    return [one for one in dead if one in later or is_asked(one)]


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


def _undo_dead(
    store: Store, dead: Sequence[_Dead], patience: Patience | None, only: Only = None, stop: Stop | None = None
) -> list[str]:
    """
    Undo the entries of all these journals, and delete each that has nothing left.

    Args:
        store: the folder of the journals.
        dead: journals in it.
        patience: how long undoing may take.
        only: chooses the entries to undo; None for all.
        stop: ends it from another thread.
    """
    if not dead:
        return []
    entries = [entry for journal in dead for entry in _of_this_boot(journal.contents)]
    chosen = [entry for entry in entries if only is None or only(entry)]
    ended = end_clients([journal.name.removesuffix(".jsonl") for journal in dead])
    removed, failures = undo_all(chosen, patience, stop)
    failed = {id(entry) for entry, _ in failures} | {id(entry) for entry in entries if entry not in chosen}
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
        if (damage := journal.contents.damage) and only is None:
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
