"""Draws the totals: one line for each target, and one that says what `-v` would show.

In: the matrix, the results.  Out: lines.  Pure.
"""

from __future__ import annotations

from collections import Counter

from pytest_isolation.policy.verdict import Judgement
from pytest_isolation.records.record import ATTACHED
from pytest_isolation.report.matrix import UNOBSERVED, Matrix, totals
from pytest_isolation.report.spans import DIM, PLAIN, Line, Style
from pytest_isolation.results.model import Results, Target
from pytest_isolation.results.notes import lines_of

_COUNTED = ("ok", "better", "documented", UNOBSERVED, "waived", "finding", "none")
MOST_REASONS = 3  # of the checks that were not asked
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
        reasons = Counter(cell.reason for cell in cells if cell and cell.judgement == Judgement.NONE)
        not_asked = Counter({reason: reasons[reason] for reason in (ATTACHED, *target.not_asked) if reasons[reason]})
        count["none"] -= not_asked.total()
        counts = [f"{count[name]} {_WORDS.get(name, name)}" for name in _COUNTED if count[name]]
        counts += [_told(not_asked)] if not_asked else []
        if count["finding"] == 1:
            counts = [text.replace("1 findings", "1 finding") for text in counts]
        markup = {"red": True} if count["finding"] else PLAIN
        lines.append(style.line(f"{target.id} ({_class(target)}): {', '.join(counts) or 'nothing ran'}", markup))
    return lines


def _told(not_asked: Counter[str]) -> str:
    """Return how many checks were not asked, with the most frequent reasons."""
    if len(not_asked) == 1:
        return f"{not_asked.total()} not asked ({next(iter(not_asked))})"
    named = [f"{number} × {reason}" for reason, number in not_asked.most_common(MOST_REASONS)]
    more = len(not_asked) - len(named)
    rest = [f"{more} more reason{'s' if more > 1 else ''}"] if more else []
    return f"{not_asked.total()} not asked ({'; '.join([*named, *rest])})"


def _class(target: Target) -> str:
    return target.kind if not target.class_ or target.class_ == target.kind else f"{target.kind}, {target.class_}"


def withheld(results: Results, style: Style) -> list[Line]:
    """Return the line that says what is shown with -v alone; none if there is nothing."""
    kinds = [cell.judgement for cell in results.cells]
    notes = len(lines_of(results))
    parts = [
        "what limits came to" if any(cell.figures for cell in results.cells) else "",
        "why walls are open as documented" if Judgement.DOCUMENTED in kinds else "",
        "what holds better than documented" if Judgement.BETTER in kinds else "",
        "why checks do not apply" if Judgement.NONE in kinds else "",
        f"{notes} known flaw{'s' if notes > 1 else ''} by version" if notes else "",
    ]
    shown = [part for part in parts if part]
    return [style.line(f"-v shows {', '.join(shown)}", DIM)] if shown else []
