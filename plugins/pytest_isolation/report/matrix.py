"""Arranges results as checks × targets, for all reports.

In: Results.  Out: a frozen `Matrix`: areas of rows, columns, cells.  Draws nothing.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from pytest_isolation.policy.accepted import BY_PROJECT
from pytest_isolation.policy.policy import CLAIM_NO_WALL
from pytest_isolation.policy.verdict import Judgement, Verdict, is_node_id
from pytest_isolation.report.signs import ABSENT, Sign, sign_of
from pytest_isolation.results.model import Cell, Check, Results, Skipped, Target

# The order of areas that are known by name; any other area follows, by its name.
AREAS = {
    "ns": "namespaces",
    "user": "users",
    "cap": "capabilities",
    "nnp": "no_new_privs",
    "seccomp": "system calls",
    "lsm": "security modules",
    "landlock": "Landlock",
    "path": "kernel files",
    "kern": "kernel interfaces",
    "time": "clocks",
    "dev": "devices",
    "mnt": "mounts",
    "fd": "descriptors",
    "sig": "signals",
    "ptrace": "tracing",
    "proc": "processes beside the first",
    "key": "keyrings",
    "ipc": "IPC and sockets",
    "lim": "limits",
    "net": "network",
    "env": "environment",
    "hw": "hardware and side channels",
    "mgmt": "management plane",
    "run": "engine",
    "view": "both views",
    "vm": "virtual machine",
    "img": "image",
}
OWN = "own tests"
UNOBSERVED = "not observed"  # documented, and it could not be observed: no wall was seen to be open


@dataclass(frozen=True)
class Row:
    """One check, and its cell on each target in the order of the columns; None if it did not run."""

    check: Check
    cells: tuple[Cell | None, ...]

    @property
    def differs(self) -> bool:
        """Whether the verdicts of the targets differ."""
        return len({cell.verdict for cell in self.cells if cell is not None}) > 1


@dataclass(frozen=True)
class Area:
    """The rows of all ids with the same first part."""

    name: str
    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Matrix:
    """Columns are targets, containers before VMs; rows are checks, by area."""

    targets: tuple[Target, ...]
    areas: tuple[Area, ...]

    @property
    def rows(self) -> tuple[Row, ...]:
        """All rows, in order."""
        return tuple(row for area in self.areas for row in area.rows)


def arrange(results: Results) -> Matrix:
    """Return the matrix; a target that only cells name gets a column too."""
    known = {target.id for target in results.targets}
    unknown = sorted({cell.target for cell in results.cells} - known)
    targets = results.targets + tuple(Target(id=name, kind="container") for name in unknown)
    cells = {(cell.check, cell.version, cell.target): cell for cell in results.cells}
    areas: dict[str, list[Row]] = {}
    for check in results.checks:
        row = Row(check, tuple(cells.get((check.id, check.version, target.id)) for target in targets))
        areas.setdefault(area_of(check.id), []).append(row)
    order = list(AREAS)
    names = sorted(areas, key=lambda name: (order.index(name) if name in order else len(order), name == OWN, name))
    return Matrix(targets, tuple(Area(name, AREAS.get(name, name), tuple(areas[name])) for name in names))


def area_of(check: str) -> str:
    """Return the part of a check's id before the first dot; OWN for a node id, which is a user's own test."""
    return OWN if is_node_id(check) else check.partition(".")[0]


def sign_at(cell: Cell | None) -> Sign:
    """Return the sign of one place of the matrix."""
    return ABSENT if cell is None else sign_of(cell.verdict, cell.judgement)


def only_findings(matrix: Matrix) -> Matrix:
    """Return the matrix with the rows that have a finding."""
    areas = [
        Area(area.name, area.title, tuple(row for row in area.rows if any(map(_is_finding, row.cells))))
        for area in matrix.areas
    ]
    return Matrix(matrix.targets, tuple(area for area in areas if area.rows))


def _is_finding(cell: Cell | None) -> bool:
    return cell is not None and cell.judgement is Judgement.FINDING


def totals(matrix: Matrix) -> list[tuple[Target, Counter[str]]]:
    """Count each target's cells by judgement; what is documented and was not observed counts as UNOBSERVED."""
    cells = [[row.cells[index] for row in matrix.rows] for index in range(len(matrix.targets))]
    return [
        (target, Counter(_counted_as(cell) for cell in column if cell is not None))
        for target, column in zip(matrix.targets, cells, strict=True)
    ]


def _counted_as(cell: Cell) -> str:
    unseen = cell.judgement is Judgement.DOCUMENTED and cell.verdict is Verdict.UNKNOWN
    return UNOBSERVED if unseen else str(cell.judgement)


def documented(results: Results) -> list[tuple[str, list[Cell]]]:
    """Group the cells that do not hold as documented by their source."""
    found: dict[str, list[Cell]] = {}
    for cell in results.cells:
        if cell.judgement is Judgement.DOCUMENTED:
            found.setdefault(cell.source or "no source given", []).append(cell)
    return sorted(found.items())


def not_applicable(results: Results) -> list[tuple[str, list[Cell]]]:
    """Group the cells that do not apply by their reason, the most frequent first."""
    found: dict[str, list[Cell]] = {}
    for cell in results.cells:
        if cell.judgement is Judgement.NONE:
            found.setdefault(cell.reason or "no reason given", []).append(cell)
    return sorted(found.items(), key=lambda pair: (-len(pair[1]), pair[0]))


def counted(skipped: tuple[Skipped, ...]) -> list[tuple[Skipped, list[str]]]:
    """Group what was skipped by reason and mend, each with the names of what was skipped."""
    found: dict[tuple[str, str], list[Skipped]] = {}
    for one in skipped:
        found.setdefault((one.reason, one.mend), []).append(one)
    return [(many[0], [one.what for one in many]) for many in found.values()]


def without_policy(results: Results) -> list[str]:
    """Say of each target without a policy how many walls are open that nothing demands."""
    texts = []
    for target in results.targets:
        listed = [
            cell.verdict is not Verdict.UNKNOWN
            for cell in results.cells
            if cell.target == target.id and cell.judgement is Judgement.DOCUMENTED and BY_PROJECT not in cell.source
        ]
        if target.runtime in CLAIM_NO_WALL and listed:
            unseen = f", {listed.count(False)} not observed" if False in listed else ""
            walls = "open wall" if listed.count(True) == 1 else "open walls"
            texts.append(f"{target.id} has no policy: {listed.count(True)} {walls} listed{unseen}, none judged")
    return texts
