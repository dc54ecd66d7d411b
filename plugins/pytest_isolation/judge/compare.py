"""Compares a sandbox that somebody else runs with a fresh one of the same runtime: what is weaker than it would be.

In: the session's cells, and records of fresh sandboxes.  Out: frozen `AttachedComparison`s for results.json.
Called by conclude.py.  Judges nothing: it compares verdicts, and only where both were observed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pytest_isolation.judge.judge import judge_check, suite_checks
from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.verdict import Cell, Verdict, check_of
from pytest_isolation.records.record import Record
from pytest_isolation.records.view import judge_fixtures
from pytest_isolation.results.model import AttachedComparison

LACKING = (Verdict.OPEN, Verdict.IGNORED, Verdict.REFUSED)


def compare_attached(cells: Iterable[Cell], fresh: Mapping[str, Record | str]) -> list[AttachedComparison]:
    """
    Compare each attached target with its fresh sandbox.

    Args:
        cells: what was observed in this session.
        fresh: by target id, the record of a fresh sandbox, or why there is none.
    """
    listed = list(cells)
    found = []
    for target, record in fresh.items():
        seen = {cell.check.id: cell.verdict for cell in listed if cell.target == target}
        if isinstance(record, str):
            found.append(AttachedComparison(target=target, reason=record))
        else:
            found.append(compare(target, record.target.id, seen, _verdicts(record, set(seen))))
    return found


def compare(target: str, other: str, seen: Mapping[str, Verdict], fresh: Mapping[str, Verdict]) -> AttachedComparison:
    """Say which checks lack in one and hold in the other; what was not observed in both is counted alone."""
    weaker = [name for name in fresh if seen.get(name) in LACKING and fresh[name] is Verdict.HOLDS]
    stronger = [name for name in fresh if seen.get(name) is Verdict.HOLDS and fresh[name] in LACKING]
    told = (Verdict.HOLDS, *LACKING)
    both = [name for name in fresh if seen.get(name) in told and fresh[name] in told]
    return AttachedComparison(
        target=target,
        fresh=other,
        weaker=tuple(sorted(weaker)),
        stronger=tuple(sorted(stronger)),
        compared=len(both),
    )


def _verdicts(record: Record, names: set[str]) -> dict[str, Verdict]:
    """Return what the bundled suite says of a fresh sandbox, for the checks that ran."""
    fixtures = judge_fixtures(record)
    functions = [function for function in suite_checks() if check_of(function).id in names]
    cells = [judge_check(function, record, fixtures, Policy()) for function in functions]
    return {cell.check.id: cell.verdict for cell in cells}
