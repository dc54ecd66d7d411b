"""What a run came to, as one versioned file: results.json, from which every report is drawn.

In: cells, and what is known of the run, its hosts and its targets.  Out: a frozen `Results`, its file, and back.
Called by plugin.py, judge.py and the reports.  Merging is associative, commutative and idempotent, so any engine may
move and join the files in any order.  Judges nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from provisioner.errors import IsolationError
from provisioner.sandboxes.observed import first_fault
from pytest_isolation import verdict as verdicts
from pytest_isolation.report.escape import escape
from pytest_isolation.verdict import Judgement, Verdict

SCHEMA = 1
MAX_BYTES = 64 << 20


def _clean(value: object) -> object:
    return escape(value) if isinstance(value, str) else value


Line = Annotated[str, BeforeValidator(_clean)]  # no control, no bidi, no lone surrogate: JSON and terminals take it


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Setting(_Part):
    """One setting of the run, and where it came from: the command line, an ini key, the default."""

    name: Line
    value: Line
    source: Line


class Run(_Part):
    """The runs that this file holds: one, or those that were merged.  Times are seconds since 1970."""

    ids: tuple[Line, ...] = ()
    started: float | None = None
    ended: float | None = None
    tools: tuple[Line, ...] = ()  # "pytest-isolation 0.1.0"
    policies: tuple[Line, ...] = ()  # "as documented", "baseline@1"
    settings: tuple[Setting, ...] = ()
    moved: tuple[Line, ...] = ()  # what changed outside during a run, and must not have: a finding of the whole run


class Host(_Part):
    """Where runtime commands ran.  `accelerator` says which and why: "tcg: /dev/kvm is missing"."""

    id: Line
    kernel: Line = ""
    arch: Line = ""
    cgroup: Line = ""
    lsm: Line = ""
    accelerator: Line = ""


class Target(_Part):
    """Kind x runtime x host; `times` are seconds by name, such as "create" and "facts"."""

    id: Line
    kind: Literal["container", "vm"]
    class_: Line = Field(default="", alias="class")
    runtime: Line = ""
    host: Line = ""
    versions: dict[Line, Line] = {}
    times: dict[Line, float] = {}


class Check(_Part):
    """One named part of the wall; `profile` is a level, or a level for each kind."""

    id: Line
    version: int = 1
    severity: Literal["critical", "high", "medium", "low"] = "medium"
    profile: Line | dict[Line, Line] = ""
    title: Line = ""
    refs: tuple[Line, ...] = ()
    gains: Line = ""
    remedy: Line = ""


class Evidence(_Part):
    """What both sides saw, one fact a line."""

    inside: tuple[Line, ...] = ()
    outside: tuple[Line, ...] = ()


class Cell(_Part):
    """One check on one target."""

    check: Line
    version: int = 1
    target: Line
    verdict: Verdict
    judgement: Judgement
    waiver: Line = ""
    reason: Line = ""
    source: Line = ""
    evidence: Evidence = Evidence()
    reproduce: Line = ""


class Skipped(_Part):
    """Something that was not looked at, why, and what mends it."""

    what: Line
    reason: Line
    mend: Line = ""


class Beside(_Part):
    """
    A sandbox that somebody else runs beside a fresh one of the same runtime.

    `weaker` names the checks that hold in the fresh one alone; `compared` counts those that were observed in both;
    `reason` says why there is no fresh one.
    """

    target: Line
    fresh: Line = ""
    weaker: tuple[Line, ...] = ()
    stronger: tuple[Line, ...] = ()
    compared: int = 0
    reason: Line = ""


class Note(_Part):
    """
    A known lost wall whose range a target's version is in, or may be: "unknown" for a build that may hold the fix.

    What its checks say stands in their cells.  No verdict and no exit status follows from it.
    """

    target: Line
    known: Line
    title: Line = ""
    component: Line
    version: Line
    standing: Literal["in range", "unknown"]
    range: Line
    fixed: Line = ""
    checks: tuple[Line, ...] = ()
    sign: Line = ""
    source: Line = ""


class Results(_Part):
    """The whole file.  Lists are sorted and hold no key twice, so that equal results are equal bytes."""

    model_config = ConfigDict(frozen=True, extra="forbid", title="results.json of pytest-isolation")
    schema_: Literal[1] = Field(default=1, alias="schema")
    run: Run = Run()
    hosts: tuple[Host, ...] = ()
    targets: tuple[Target, ...] = ()
    checks: tuple[Check, ...] = ()
    cells: tuple[Cell, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    beside: tuple[Beside, ...] = ()
    notes: tuple[Note, ...] = ()

    def findings(self) -> list[Cell]:
        """Return the cells that are findings, the worst first."""
        rank = {severity: index for index, severity in enumerate(verdicts.SEVERITIES)}
        severities = {(check.id, check.version): rank[check.severity] for check in self.checks}
        found = [cell for cell in self.cells if cell.judgement is Judgement.FINDING]
        return sorted(found, key=lambda cell: (severities.get((cell.check, cell.version), 2), cell.check, cell.target))


def results_of(
    cells: Iterable[verdicts.Cell],
    run: Run,
    hosts: Iterable[Host] = (),
    targets: Iterable[Target] = (),
    skipped: Iterable[Skipped] = (),
    beside: Iterable[Beside] = (),
    notes: Iterable[Note] = (),
) -> Results:
    """Gather what the reports' cells carry and what is known around them."""
    listed = list(cells)
    return _normal(
        run=run,
        hosts=tuple(hosts),
        targets=tuple(targets),
        checks=tuple(_check(cell.check) for cell in listed),
        cells=tuple(_cell(cell) for cell in listed),
        skipped=tuple(skipped),
        beside=tuple(beside),
        notes=tuple(notes),
    )


def _check(check: verdicts.Check) -> Check:
    return Check.model_validate(
        {
            "id": check.id,
            "version": check.version,
            "severity": check.severity,
            "profile": check.profile if isinstance(check.profile, str) else dict(check.profile),
            "title": check.title,
            "refs": check.refs,
            "gains": check.gains,
            "remedy": check.remedy,
        }
    )


def _cell(cell: verdicts.Cell) -> Cell:
    return Cell(
        check=cell.check.id,
        version=cell.check.version,
        target=cell.target,
        verdict=cell.verdict,
        judgement=cell.judgement,
        waiver=cell.waiver,
        reason=cell.reason,
        source=cell.source,
        evidence=Evidence(inside=cell.inside, outside=cell.outside),
        reproduce=cell.reproduce,
    )


def merge(first: Results, second: Results) -> Results:
    """
    Join two results; of two different parts with one key, a fixed order decides, and for cells the worse wins.

    merge(a, b) == merge(b, a); merge(a, merge(b, c)) == merge(merge(a, b), c); merge(a, a) == a.
    """
    one, two = first.run, second.run
    run = Run(
        ids=one.ids + two.ids,
        started=min((t for t in (one.started, two.started) if t is not None), default=None),
        ended=max((t for t in (one.ended, two.ended) if t is not None), default=None),
        tools=one.tools + two.tools,
        policies=one.policies + two.policies,
        settings=one.settings + two.settings,
        moved=one.moved + two.moved,
    )
    return _normal(
        run=run,
        hosts=first.hosts + second.hosts,
        targets=first.targets + second.targets,
        checks=first.checks + second.checks,
        cells=first.cells + second.cells,
        skipped=first.skipped + second.skipped,
        beside=first.beside + second.beside,
        notes=first.notes + second.notes,
    )


Part = TypeVar("Part", bound=_Part)


def _normal(
    run: Run,
    hosts: tuple[Host, ...],
    targets: tuple[Target, ...],
    checks: tuple[Check, ...],
    cells: tuple[Cell, ...],
    skipped: tuple[Skipped, ...],
    beside: tuple[Beside, ...] = (),
    notes: tuple[Note, ...] = (),
) -> Results:
    return Results(
        run=run.model_copy(
            update={
                "ids": tuple(sorted(set(run.ids))),
                "tools": tuple(sorted(set(run.tools))),
                "policies": tuple(sorted(set(run.policies))),
                "settings": _union(run.settings, _text),
                "moved": tuple(sorted(set(run.moved))),
            }
        ),
        hosts=_union(hosts, lambda host: host.id),
        targets=_union(targets, lambda target: (target.kind, target.id)),
        checks=_union(checks, lambda check: (check.id, check.version)),
        cells=_union(cells, lambda cell: (cell.check, cell.version, cell.target)),
        skipped=_union(skipped, _text),
        beside=_union(beside, lambda one: one.target),
        notes=_union(notes, lambda note: (note.target, note.known, note.component)),
    )


def _union(parts: Iterable[Part], key: Callable[[Part], Any]) -> tuple[Part, ...]:
    """Keep one part for each key, the greatest in a total order, which makes the union independent of the order."""
    found: dict[Any, Part] = {}
    for part in parts:
        other = found.get(key(part))
        if other is None or _weight(part) > _weight(other):
            found[key(part)] = part
    return tuple(found[name] for name in sorted(found))


_WORSE = (Judgement.NONE, Judgement.OK, Judgement.BETTER, Judgement.DOCUMENTED, Judgement.WAIVED, Judgement.FINDING)


def _weight(part: _Part) -> tuple[int, str]:
    return (_WORSE.index(part.judgement) if isinstance(part, Cell) else 0, _text(part))


def _text(part: _Part) -> str:
    return part.model_dump_json(by_alias=True)


def write_results(results: Results, directory: Path) -> Path:
    """Write DIRECTORY/results.json whole or not at all; return its path."""
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / "results.json"
    part = path.with_suffix(".part")
    part.write_bytes(results.model_dump_json(by_alias=True, indent=1).encode() + b"\n")
    part.replace(path)
    return path


def load_results(path: Path) -> Results:
    """
    Read a results.json, or the one in a directory.

    Raises:
        IsolationError: it cannot be read, or is not such a file of a version that this knows.
    """
    file = path / "results.json" if path.is_dir() else path
    try:
        with file.open("rb") as stream:
            data = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise IsolationError(f"cannot read '{file}': {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise IsolationError(f"cannot read '{file}': more than {MAX_BYTES >> 20} MiB")
    try:
        return Results.model_validate_json(data)
    except ValidationError as error:
        raise IsolationError(
            f"cannot read '{file}': {first_fault(error)}",
            hint=f"it should be a results.json of schema {SCHEMA}",
        ) from None
