"""Notes on known flaws: those that affect the versions of a target, and the verdicts of their signs.

In: records, and the verdicts of a run.
Out: `Note`s and lines of text.  A note changes no verdict, no judgement and no exit status.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_isolation.policy.verdict import Verdict
from pytest_isolation.records.record import Record
from pytest_isolation.results import model as r
from pytest_isolation.results.known import EVERY_VERSION, Known, Standing, bundled, versions_of

HEADING = "Known flaws by version: notes, no verdicts; `isolation known` describes each"
MANY = 5
_STATES = {
    Verdict.HOLDS: ("holds", "hold"),
    Verdict.UNKNOWN: ("could not be observed",) * 2,
    Verdict.NOT_APPLICABLE: ("does not apply", "do not apply"),
    None: ("did not run",) * 2,
}
_OPEN = ("is OPEN", "are OPEN")  # or ignored, or refused
Standings = Sequence[tuple[Known, str, Standing]]


def standings_of(versions: Mapping[str, str], known: Iterable[Known]) -> Standings:
    """
    Return the flaws that affect these versions, each with the version and its standing.

    Args:
        versions: versions by component.
        known: the flaws to choose from.
    """
    found = []
    for one in known:
        version = versions.get(one.component, "")
        standing = one.standing(version)
        if standing is not None:
            found.append((one, version, standing))
    return found


def notes_of(record: Record, known: Iterable[Known] | None = None) -> list[r.Note]:
    """
    Return the notes on one target.

    Args:
        record: what was observed of it.
        known: the flaws to choose from; None for those of the package.
    """
    found = standings_of(versions_of(record), bundled() if known is None else known)
    return [
        r.Note(
            target=record.target.id,
            known=one.id,
            title=one.title,
            component=one.component,
            version=version,
            standing=standing,
            range=one.range_of(version),
            fixed=", ".join([*one.fixed, *one.debian]),
            checks=tuple(one.checks),
            sign=one.sign,
            source=one.source,
        )
        for one, version, standing in found
    ]


def known_by(check: str, record: Record, known: Iterable[Known] | None = None) -> tuple[str, ...]:
    """
    Return what a finding says of known flaws.

    Args:
        check: the check of the finding.
        record: what was observed of its target.
        known: the flaws to choose from; None for those of the package.
    """
    every = bundled() if known is None else known
    return tuple(map(finding_note, notes_of(record, (one for one in every if check in one.checks))))


def finding_note(note: r.Note) -> str:
    """Return what a finding of one of the note's checks says of the flaw."""
    told = f"{note.known}, {note.title}: {note.component} {note.version} is in its range ({_range(note)})"
    return told + _doubt(note)


def notes_on(results: r.Results, cell: r.Cell) -> tuple[str, ...]:
    """Return what the finding of a cell says of known flaws; nothing if its verdict is unknown."""
    if cell.verdict is Verdict.UNKNOWN:
        return ()
    found = (note for note in results.notes if note.target == cell.target and cell.check in note.checks)
    return tuple(map(finding_note, found))


def lines_of(results: r.Results, most: int = MANY) -> list[str]:
    """
    Return the notes as lines: those with an open sign first, equal notes of several targets in one line.

    Args:
        results: the results of the run.
        most: the most lines; one more line counts the rest.
    """
    verdicts = {(cell.target, cell.check): cell.verdict for cell in results.cells}
    groups: dict[tuple[str, str], list[str]] = {}
    ranks: dict[tuple[str, str], int] = {}
    for note in sorted(results.notes, key=lambda note: note.known, reverse=True):
        states = [verdicts.get((note.target, check)) for check in note.checks]
        key = f"{note.component} {note.version}", note_text(note, states)
        groups.setdefault(key, []).append(note.target)
        ranks[key] = rank_of(note, states)
    keys = sorted(groups, key=ranks.__getitem__)
    lines = [f"{what} ({', '.join(sorted(groups[what, text]))}): {text}" for what, text in keys[:most]]
    if len(keys) > most:
        lines.append(f"and {len(keys) - most} more, in index.html of --isolation-report=DIR")
    return lines


def rank_of(note: r.Note, states: Sequence[Verdict | None]) -> int:
    """Return the order of a note: 0 for an open sign, 1 in range, 2 if the build may have the fix, 3 for no sign."""
    if any(state not in _STATES for state in states):
        return 0
    if all(state in (Verdict.NOT_APPLICABLE, None) for state in states):
        return 3
    return 1 if note.standing == "in range" else 2


def note_text(note: r.Note, states: Sequence[Verdict | None]) -> str:
    """
    Return the text of one note, to follow the version.

    Args:
        note: the note.
        states: the verdict of each of its checks on its target, None for a check that did not run.
    """
    by_state: dict[tuple[str, str], list[str]] = {}
    for check, state in zip(note.checks, states, strict=True):
        by_state.setdefault(_STATES.get(state, _OPEN), []).append(check)
    parts = [f"{' and '.join(checks)} {words[len(checks) > 1]} here" for words, checks in by_state.items()]
    signs = "sign" if len(note.checks) == 1 else "signs"
    return f"in the range of {note.known} ({_range(note)}); {signs}: {', '.join(parts)}{_doubt(note)}"


def _range(note: r.Note) -> str:
    return note.range if note.range == EVERY_VERSION else f"upstream {note.range}"


def _doubt(note: r.Note) -> str:
    return "; this build may have the fix" if note.standing == "unknown" else ""
