"""Draws a report for people: groups of rows with a sign, a word and a colour, then counts and what to do next.

In: a Report and rich's Console, whose width, colours and encoding decide.  Out: lines on it.  Called by command.py.
Commands are never wrapped here, so that they can be copied; everything else is.
"""

from __future__ import annotations

import itertools
import textwrap
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from provisioner.doctor.abilities import KINDS
from provisioner.doctor.finding import Ability, Finding, Report, State

NARROW = 64  # columns; below, a row's text gets a line of its own
LEAST = 24
MARGIN = 13  # columns in front of a name: sign and word


@dataclass(frozen=True)
class Sign:
    """How a state looks: one character, the one where the stream is not UTF-8, and a style of rich's."""

    mark: str
    plain: str
    style: str


SIGNS = {
    State.OK: Sign("✓", "+", "green"),
    State.LIMITED: Sign("!", "!", "yellow"),
    State.LACKING: Sign("✗", "x", "red"),
    State.UNKNOWN: Sign("?", "?", "magenta"),
}
PLAIN = {"…": "...", "·": "-", "–": "-", "→": "->", "×": "x", "≥": ">="}


def draw(report: Report, console: Console) -> None:
    """Write the whole report."""
    wide = max((len(finding.name) for finding in report.findings), default=0)
    for group, findings in itertools.groupby(report.findings, key=lambda finding: finding.group):
        _put(console, Text(_plain(console, group), style="bold"))
        for finding in findings:
            _draw_finding(console, finding, wide)
        console.print()
    _draw_totals(console, report)


def _draw_finding(console: Console, finding: Finding, wide: int) -> None:
    sign = SIGNS[finding.state]
    head = Text("  ")
    head.append(_mark(console, sign), style=sign.style)
    head.append(f" {finding.state.value:<8} ", style=sign.style)
    if console.width < NARROW:
        head.append(_plain(console, finding.name))
        _put(console, head)
        indent = 4
        _wrap(console, Text(" " * indent), finding.seen, indent)
    else:
        head.append(f"{_plain(console, finding.name):<{wide}}  ")
        indent = MARGIN + wide + 2
        _wrap(console, head, finding.seen, indent)
    if finding.state == State.OK:
        return
    for label, text in (("costs: ", finding.cost), ("mend:  ", finding.mend), ("note:  ", finding.note)):
        if text:
            start = Text(" " * indent).append(label, style="dim")
            if label == "mend:  ":
                _put(console, start.append(_plain(console, text), style="bold"))
            else:
                _wrap(console, start, text, indent + len(label))


def _draw_totals(console: Console, report: Report) -> None:
    counts = ", ".join(f"{report.counts.get(state, 0)} {state.value}" for state in State)
    _wrap(console, Text(), f"{counts}; looked for {report.seconds:.1f} s", 0)
    for ability in report.abilities:
        if ability.name in KINDS:
            sign = SIGNS[ability.state]
            head = Text().append(_mark(console, sign), style=sign.style)
            _wrap(console, head.append(f" {ability.name:<10}"), _told(ability), 12)
    _put(console, Text().append("next: ", style="bold").append(_plain(console, next_step(report))))


def _told(ability: Ability) -> str:
    if ability.state == State.OK:
        return "can run here" if ability.name == "lab" else f"can run here: {', '.join(ability.by)}"
    return f"{'cannot run here' if ability.state == State.LACKING else 'could not be told'}: {ability.reason}"


def next_step(report: Report) -> str:
    """Return the one command to type now: the mend of the worst lack, or the first run."""
    worth = {State.LACKING: 2, State.UNKNOWN: 1, State.LIMITED: 0}
    absent = [ability for ability in report.abilities if ability.name in KINDS and ability.state != State.OK]
    for ability in absent:
        if ability.mend:
            return ability.mend
    mends = [finding for finding in report.findings if finding.state in worth and finding.mend]
    if mends:
        return max(mends, key=lambda finding: worth[finding.state]).mend
    kinds = [ability.name for ability in report.abilities if ability.name in KINDS[:2] and ability.state == State.OK]
    return f"pytest --isolation={','.join(kinds)}" if kinds else "give this system what it lacks, as noted above"


def _wrap(console: Console, head: Text, text: str, indent: int) -> None:
    """Write text behind a head, broken at blanks, and what does not fit below it at the same column."""
    room = max(console.width - indent, LEAST)
    first, *rest = textwrap.wrap(_plain(console, text), room, break_on_hyphens=False) or [""]
    _put(console, head.append(first))
    for line in rest:
        _put(console, Text(" " * indent + line))


def _put(console: Console, text: Text) -> None:
    """Write one line as it is: the terminal wraps what is longer."""
    text.rstrip()
    console.print(text, soft_wrap=True, highlight=False)


def _mark(console: Console, sign: Sign) -> str:
    return sign.mark if _takes_unicode(console) else sign.plain


def _plain(console: Console, text: str) -> str:
    """Spell out in ASCII what the stream cannot show."""
    if _takes_unicode(console):
        return text
    for fancy, plain in PLAIN.items():
        text = text.replace(fancy, plain)
    return text.encode("ascii", "backslashreplace").decode()


def _takes_unicode(console: Console) -> bool:
    return console.encoding.lower().replace("-", "").replace("_", "").startswith("utf")
