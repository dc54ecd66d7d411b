"""Renders one finding as lines of text, for pytest's report and for the terminal.

In: a judged Cell.  Out: lines that are safe to print.
"""

from __future__ import annotations

from pytest_isolation.escape import escape
from pytest_isolation.policy.verdict import Cell, Judgement, Verdict

MAX_LINE = 400


def finding_lines(cell: Cell) -> list[str]:
    """
    Return one finding as at most eight lines; an unobserved one takes one line.

    The lines are: claim with the attacker's gain, target, inside, outside, cause, known flaws with this sign,
    remedy, and a command that shows it without this tool.
    """
    claim = f"{cell.check.id}: {cell.check.title}" if cell.check.title else cell.check.id
    if cell.check.gains:
        claim = f"{claim}; without it an attacker inside {cell.check.gains}"
    cause = cell.reason or f"{cell.verdict}, and not documented"
    if cell.verdict is Verdict.UNKNOWN:
        return [escape(f"{cell.check.id} on {cell.target} is unknown: {cause}", MAX_LINE)]
    rows = (
        ("claim", claim),
        ("target", f"{cell.target}: {cell.verdict} ({cell.check.severity})"),
        ("inside", "; ".join(cell.inside)),
        ("outside", "; ".join(cell.outside)),
        ("cause", cause),
        ("known", "; ".join(cell.known)),
        ("remedy", cell.remedy),
        ("reproduce", cell.reproduce),
    )
    return [f"{name + ':':<11}{escape(text, MAX_LINE)}" for name, text in rows if text]


def xfail_reason(cell: Cell) -> str:
    """Return why an open cell does not fail: its documentation, or its waiver."""
    why = f"documented: {cell.source}" if cell.judgement is Judgement.DOCUMENTED else cell.reason
    return escape(f"{cell.verdict}, {why}", MAX_LINE)
