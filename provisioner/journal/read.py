"""Reads a journal, line by line, and sets aside each line that is no record.

In: the bytes of a journal, which may be damaged in any way.  Out: `Contents`: the owner, the entries that are not yet
undone, and the damaged lines with the reason.  Nothing is repaired or guessed: only a valid record is ever undone.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from provisioner.errors import IsolationError, one_line
from provisioner.journal.entry import UndoEntry, read_number, read_process_of
from provisioner.journal.undo import check_path
from provisioner.linux.processes import Process

MAX_LINE = 1 << 20  # bytes; a longer line is damaged, and is not held in memory


class Damage(NamedTuple):
    """The lines that are no records: the number of the first, from 1, why it is none, and how many there are."""

    line: int
    why: str
    lines: int = 1


class Contents(NamedTuple):
    """
    What a journal holds.

    Args:
        owner: the run's process; None if no line names it.
        entries: those not yet undone, in their order.
        damage: the lines that are no records; None if there are none.
    """

    owner: Process | None
    entries: list[UndoEntry]
    damage: Damage | None


def read_journal(stream: BinaryIO) -> Contents:
    """Read a journal; a last line without its end, which a crash leaves, is ignored unless it is a record."""
    owner: Process | None = None
    entries: list[UndoEntry] = []
    damage: Damage | None = None
    for number, line in _lines(stream):
        try:
            record = _parse_line(line)
        except ValueError as error:
            if line.endswith(b"\n") or len(line) > MAX_LINE:
                damage = damage._replace(lines=damage.lines + 1) if damage else Damage(number, one_line(str(error)))
            continue
        if isinstance(record, Process):
            owner = record
        elif isinstance(record, UndoEntry):
            entries.append(record)
        else:
            entries = [entry for entry in entries if entry.number != record]
    if owner is None and damage is None:
        damage = Damage(1, "it names no owner")
    return Contents(owner, entries, damage)


def end_last_line(fd: int) -> None:
    """End a last line that has no end if it is a record, else cut it off, so that more can be appended."""
    size = os.fstat(fd).st_size
    tail = os.pread(fd, MAX_LINE, max(0, size - MAX_LINE)).rpartition(b"\n")[2]
    if not tail:
        return
    try:
        if len(tail) < MAX_LINE:
            _parse_line(tail)
        os.write(fd, b"\n")
    except ValueError:
        os.ftruncate(fd, size - len(tail))


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield each line with its number; of a line that is too long, one byte more than is allowed."""
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        yield number, line
        while len(line) > MAX_LINE and not line.endswith(b"\n"):
            line = stream.readline(MAX_LINE + 1) or b"\n"


def _parse_line(line: bytes) -> Process | UndoEntry | int:
    """
    Return an owner, an entry, or the number of an entry that is gone.

    Raises:
        ValueError: it is none of these.
    """
    if len(line) > MAX_LINE:
        raise ValueError("it is too long")
    document = _load(line)
    if "owner" in document:
        return read_process_of(document, document["owner"])
    if "gone" in document:
        return read_number(document["gone"])
    entry = UndoEntry.load(document)
    if entry.kind == "path":
        try:
            check_path(Path(entry.values[0]))
        except IsolationError as error:
            raise ValueError(error.what) from None
        except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle, until Python 3.13
            raise ValueError(f"its path cannot be resolved: {error}") from None
    return entry


def _load(line: bytes) -> dict[str, Any]:
    try:
        document = json.loads(line.decode(), parse_constant=_refuse, parse_float=_refuse)
    except (ValueError, RecursionError):  # ValueError: also UnicodeDecodeError and numbers of over 4,300 digits
        raise ValueError("it is not JSON") from None
    if not isinstance(document, dict):
        raise ValueError("it is not a JSON object")
    return document


def _refuse(text: str) -> object:
    raise ValueError(f"{text} is not a number of a journal")
