"""Draws the totals: one line for each target, and one that says what `-v` would show.

In: the matrix, the results.  Out: lines.  Pure.
"""

from __future__ import annotations

from pytest_isolation.policy.verdict import Judgement
from pytest_isolation.records.record import ATTACHED
from pytest_isolation.report.matrix import UNOBSERVED, Matrix, totals
from pytest_isolation.report.spans import DIM, PLAIN, Line, Style
from pytest_isolation.results.model import Results, Target
from pytest_isolation.results.notes import lines_of

_COUNTED = ("ok", "better", "documented", UNOBSERVED, "waived", "finding", "none")
_WORDS = {"ok": "hold", "finding": "findings", "none": "not applicable"}


def draw_totals(matrix: Matrix, style: Style) -> list[Line]:
    """
    Return a line of counts for each target.

    Args:
        matrix: the matrix.
        style: how the stream is drawn to.
    """
    lines = []
    for place, (target, count) in enumerate(totals(matrix)):
        cells = [row.cells[place] for row in matrix.rows]
        attached = sum(cell is not None and cell.reason == ATTACHED for cell in cells)
        count["none"] -= attached
        counts = [f"{count[name]} {_WORDS.get(name, name)}" for name in _COUNTED if count[name]]
        counts += [f"{attached} not asked ({ATTACHED})"] if attached else []
        if count["finding"] == 1:
            counts = [text.replace("1 findings", "1 finding") for text in counts]
        markup = {"red": True} if count["finding"] else PLAIN
        lines.append(style.line(f"{target.id} ({_class(target)}): {', '.join(counts) or 'nothing ran'}", markup))
    return lines


def _class(target: Target) -> str:
    return target.kind if not target.class_ or target.class_ == target.kind else f"{target.kind}, {target.class_}"


def withheld(results: Results, style: Style) -> list[Line]:
    """Return the line that says what is shown with -v alone; none if there is nothing."""
    kinds = [cell.judgement for cell in results.cells]
    notes = len(lines_of(results))
    parts = [
        "why walls are open as documented" if Judgement.DOCUMENTED in kinds else "",
        "what holds better than documented" if Judgement.BETTER in kinds else "",
        "why checks do not apply" if Judgement.NONE in kinds else "",
        f"{notes} known flaw{'s' if notes > 1 else ''} by version" if notes else "",
    ]
    shown = [part for part in parts if part]
    return [style.line(f"-v shows {', '.join(shown)}", DIM)] if shown else []
