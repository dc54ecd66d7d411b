"""The sign, the word and the colour of a cell: never a colour alone.

In: a cell's verdict and judgement.  Out: a frozen `Sign`.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_isolation.policy.verdict import Judgement, Verdict


@dataclass(frozen=True)
class Sign:
    """
    How a cell looks.

    Attributes:
        mark, plain: one character, and its form for a stream that is not UTF-8.
        word: the key, which is also the CSS class.
        meaning: the text of the legend.
        markup: for pytest's terminal writer.
    """

    mark: str
    plain: str
    word: str
    meaning: str
    markup: tuple[tuple[str, bool], ...] = ()


HOLDS = Sign("✓", "+", "holds", "holds", (("green", True),))
BETTER = Sign("+", "B", "better", "holds, better than documented or waived", (("green", True), ("bold", True)))
OPEN = Sign("✗", "X", "open", "open: a finding", (("red", True), ("bold", True)))
LIMIT = Sign("!", "!", "limit", "a limit ignored or refused: a finding", (("red", True), ("bold", True)))
UNKNOWN = Sign("?", "?", "unknown", "unknown: a finding, could not be observed", (("yellow", True), ("bold", True)))
DOCUMENTED = Sign("~", "~", "documented", "not holding, as documented", (("cyan", True),))
UNSEEN = Sign("○", "o", "unseen", "could not be observed, as documented", (("cyan", True),))
WAIVED = Sign("w", "w", "waived", "not holding, waived", (("cyan", True),))
NONE = Sign("–", "-", "none", "not applicable", (("light", True),))
ABSENT = Sign("·", ".", "absent", "not run", (("light", True),))
SIGNS = (HOLDS, BETTER, OPEN, LIMIT, UNKNOWN, DOCUMENTED, UNSEEN, WAIVED, NONE, ABSENT)

_BY_JUDGEMENT = {
    Judgement.OK: HOLDS,
    Judgement.BETTER: BETTER,
    Judgement.DOCUMENTED: DOCUMENTED,
    Judgement.WAIVED: WAIVED,
    Judgement.NONE: NONE,
}
_FINDINGS = {Verdict.IGNORED: LIMIT, Verdict.REFUSED: LIMIT, Verdict.UNKNOWN: UNKNOWN}


def sign_of(verdict: Verdict, judgement: Judgement) -> Sign:
    """Return the sign of a cell."""
    if judgement is Judgement.DOCUMENTED and verdict is Verdict.UNKNOWN:
        return UNSEEN
    return _BY_JUDGEMENT.get(judgement) or _FINDINGS.get(verdict, OPEN)
