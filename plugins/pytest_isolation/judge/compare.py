"""Compares an attached sandbox with a stock one of the same runtime: which walls are weaker, which stronger.

In: the session's cells, and records of stock sandboxes.
Out: frozen `AttachedComparison`s for results.json.  Only verdicts that were observed in both are compared.
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


def compare_attached(cells: Iterable[Cell], stock: Mapping[str, Record | str]) -> list[AttachedComparison]:
    """
    Compare each attached target with its stock sandbox.

    Args:
        cells: the session's cells.
        stock: by the id of an attached target, the record of a stock sandbox, or why there is none.
    """
    cells = list(cells)
    comparisons = []
    for target, record in stock.items():
        verdicts = {cell.check.id: cell.verdict for cell in cells if cell.target == target}
        if isinstance(record, str):
            comparisons.append(AttachedComparison(target=target, reason=record))
        else:
            comparisons.append(compare(target, record.target.id, verdicts, _verdicts(record, set(verdicts))))
    return comparisons


def compare(
    target: str, other: str, verdicts: Mapping[str, Verdict], stock: Mapping[str, Verdict]
) -> AttachedComparison:
    """
    Compare the verdicts of two sandboxes.

    Args:
        target: the id of the attached target.
        other: the id of the stock sandbox's target.
        verdicts: the verdicts of the attached sandbox, by check.
        stock: the verdicts of the stock sandbox, by check.
    """
    weaker = [name for name in stock if verdicts.get(name) in LACKING and stock[name] is Verdict.HOLDS]
    stronger = [name for name in stock if verdicts.get(name) is Verdict.HOLDS and stock[name] in LACKING]
    observed = (Verdict.HOLDS, *LACKING)
    both = [name for name in stock if verdicts.get(name) in observed and stock[name] in observed]
    return AttachedComparison(
        target=target,
        fresh=other,
        weaker=tuple(sorted(weaker)),
        stronger=tuple(sorted(stronger)),
        compared=len(both),
    )


def _verdicts(record: Record, names: set[str]) -> dict[str, Verdict]:
    """Return the verdicts of these checks over the record of a stock sandbox."""
    fixtures = judge_fixtures(record)
    functions = [function for function in suite_checks() if check_of(function).id in names]
    cells = [judge_check(function, record, fixtures, Policy()) for function in functions]
    return {cell.check.id: cell.verdict for cell in cells}
