"""Prints a report for people: groups of rows with a sign, a word and a colour, then counts and the next step.

In: a Report and a rich Console; its width, colours and encoding decide the form.  Out: lines on the console.
Text wraps within its column.  A command is never wrapped, so that it can be copied.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from provisioner.doctor.abilities import KINDS
from provisioner.doctor.finding import Ability, Finding, Report, State
from provisioner.terminal import takes_unicode, to_ascii

NARROW = 64  # columns; on a narrower console a text starts on a line of its own
LEAST = 24  # columns of a text
MARGIN = 13  # columns before a name: indent, sign and word


@dataclass(frozen=True)
class Sign:
    """How a state is shown: a character, its ASCII form, and a style of rich."""

    mark: str
    plain: str
    style: str


SIGNS = {
    State.OK: Sign("✓", "+", "green"),
    State.LIMITED: Sign("!", "!", "yellow"),
    State.LACKING: Sign("✗", "x", "red"),
    State.UNKNOWN: Sign("?", "?", "magenta"),
}


def draw(report: Report, console: Console) -> None:
    """
    Print a report.

    Args:
        report: the report.
        console: where to print; its width, colours and encoding decide the form.
    """
    wide = max((len(finding.name) for finding in report.findings), default=0)
    for group, findings in itertools.groupby(report.findings, key=lambda finding: finding.group):
        _put(console, Text(_plain(console, group), style="bold"))
        for finding in findings:
            _draw_finding(console, finding, wide)
        console.print()
    _draw_totals(console, report)


def _draw_finding(console: Console, finding: Finding, wide: int) -> None:
    sign = SIGNS[finding.state]
    head = Text(f"{_mark(console, sign)} {finding.state.value:<8} ", style=sign.style, end="")
    head.append(f"{_plain(console, finding.name):<{wide}}", style="not bold default")
    if console.width < NARROW:
        _put(console, Text("  ").append_text(head))
        indent = 4
        _print_row(console, indent, Text(), finding.seen)
    else:
        indent = MARGIN + wide + 2
        _print_row(console, 2, head.append("  "), finding.seen)
    if finding.state == State.OK:
        return
    for label, text in (("costs: ", finding.cost), ("mend:  ", finding.mend), ("note:  ", finding.note)):
        if not text:
            continue
        start = Text(label, style="dim")
        if label == "mend:  ":  # never wrapped, so that it can be copied
            _put(console, Text(" " * indent).append_text(start).append(_plain(console, text), style="bold"))
        else:
            _print_row(console, indent, start, text)


def _draw_totals(console: Console, report: Report) -> None:
    counts = ", ".join(f"{report.counts.get(state, 0)} {state.value}" for state in State)
    _print_row(console, 0, Text(), f"{counts}; looked for {report.seconds:.1f} s")
    for ability in report.abilities:
        if ability.name in KINDS:
            sign = SIGNS[ability.state]
            head = Text(_mark(console, sign), style=sign.style).append(f" {ability.name:<10}", style="default")
            _print_row(console, 0, head, _told(ability))
    _put(console, Text().append("next: ", style="bold").append(_plain(console, next_step(report))))


def _told(ability: Ability) -> str:
    if ability.state == State.OK:
        return "can run here" if ability.name == "lab" else f"can run here: {', '.join(ability.by)}"
    return f"{'cannot run here' if ability.state == State.LACKING else 'unknown'}: {ability.reason}"


def next_step(report: Report) -> str:
    """Return the command to type next: the mend of the worst lack, or a first run."""
    worth = {State.LACKING: 2, State.UNKNOWN: 1, State.LIMITED: 0}
    absent = [ability for ability in report.abilities if ability.name in KINDS and ability.state != State.OK]
    for ability in absent:
        if ability.mend:
            return ability.mend
    mends = [finding for finding in report.findings if finding.state in worth and finding.mend]
    if mends:
        return max(mends, key=lambda finding: worth[finding.state]).mend
    kinds = [ability.name for ability in report.abilities if ability.name in KINDS[:2] and ability.state == State.OK]
    return f"pytest --isolation={','.join(kinds)}" if kinds else "mend what is lacking, as noted above"


def _print_row(console: Console, indent: int, head: Text, text: str) -> None:
    """Print a head, and beside it a text that wraps within its own column."""
    indented = Text(" " * indent).append_text(head)
    first, *rest = Text(_plain(console, text)).wrap(console, max(console.width - indented.cell_len, LEAST)) or [Text()]
    _put(console, indented.copy().append_text(first))
    for line in rest:
        _put(console, Text(" " * indented.cell_len).append_text(line))


def _put(console: Console, text: Text) -> None:
    """Print one line that only the terminal wraps."""
    text.rstrip()
    console.print(text, soft_wrap=True, highlight=False)


def _mark(console: Console, sign: Sign) -> str:
    return sign.mark if takes_unicode(console.encoding) else sign.plain


def _plain(console: Console, text: str) -> str:
    """Return the text as the console can show it."""
    return text if takes_unicode(console.encoding) else to_ascii(text)
