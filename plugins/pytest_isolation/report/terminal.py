"""Draws results as lines for a terminal: header, matrix, findings, what was skipped, the next step.

In: Results, the width, whether the stream takes Unicode.  Out: lines of spans, each a text with pytest's markup.
Pure; every text is escaped.
"""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.limits.measured import BUSY
from pytest_isolation.policy.verdict import Cell as CheckedCell
from pytest_isolation.policy.verdict import Check as CheckedCheck
from pytest_isolation.policy.verdict import Judgement
from pytest_isolation.report.columns import MAX_ID, Columns, lay_out
from pytest_isolation.report.finding import finding_lines
from pytest_isolation.report.matrix import (
    Matrix,
    Row,
    arrange,
    counted,
    documented,
    not_applicable,
    only_findings,
    sign_at,
    without_policy,
)
from pytest_isolation.report.signs import SIGNS
from pytest_isolation.report.spans import BOLD, DIM, PLAIN, Line, Style
from pytest_isolation.report.totals import draw_totals, withheld
from pytest_isolation.results.limits import lines_of_limits
from pytest_isolation.results.model import AttachedComparison, Cell, Check, Results
from pytest_isolation.results.notes import HEADING, lines_of, notes_on

MIN_WIDTH = 40


def draw(
    results: Results, width: int = 80, unicode: bool = True, findings: bool = True, verbosity: int = 1
) -> list[Line]:
    """
    Draw the report: the matrix, the findings, the totals and the next step; with `-v` the reasons of all other cells.

    Args:
        results: what to draw.
        width: of the terminal, in characters; at least 40.
        unicode: False for ASCII signs; see `provisioner.terminal.takes_unicode`.
        findings: False if pytest has already reported each as a failure.
        verbosity: pytest's: 1 or more (-v) for all, 0, or less (-q) for findings, totals and the next step alone.

    Returns:
        Lines; `spans.write_lines` writes them.
    """
    style = Style(max(width, MIN_WIDTH), unicode)
    matrix = arrange(results)
    every, some = verbosity > 0, verbosity >= 0
    parts = [
        _header(results, style) if some else [],
        _draw_matrix(matrix if some else only_findings(matrix), style),
        [*draw_totals(matrix, style), *([] if every else withheld(results, style))],
        _beside(results, style),
        _limits(results, style) if every else [],
        _documented(results, style) if every else [],
        _better(results, style) if every else [],
        _skipped(results, style, every) if some else [],
        _notes(results, style) if every else [],
        _moved(results, style),
        _partial(results, style),
        _findings(results, style) if findings else [],
        _next(results, style),
    ]
    lines: list[Line] = []
    for part in parts:
        if part and lines:
            lines.append([])
        lines += part
    return lines


def _header(results: Results, style: Style) -> list[Line]:
    run = results.run
    rows: list[tuple[str, str]] = []
    for host in results.hosts:
        facts = [host.kernel, host.arch, f"cgroup {host.cgroup}" if host.cgroup else ""]
        facts += [f"lsm {host.lsm}" if host.lsm else "", host.accelerator, host.unseen]
        rows.append(("host", f"{host.id}: {', '.join(fact for fact in facts if fact)}"))
    versions = sorted({f"{n} {v}".strip() for target in results.targets for n, v in target.versions.items()})
    rows.append(("runtimes", ", ".join(versions)))
    rows.append(("policy", ", ".join(run.policies)))
    settings = [f"{one.name}={one.value} ({one.source})" for one in run.settings]
    rows.append(("settings", ", ".join(settings)))
    return [style.line(f"{name + ':':<10}{text}") for name, text in rows if text]


def _draw_matrix(matrix: Matrix, style: Style) -> list[Line]:
    if not matrix.rows:
        return []
    ids = [style.text(target.id, MAX_ID) for target in matrix.targets]
    columns = lay_out(ids, [len(row.check.id) for row in matrix.rows], style.width)
    lines: list[Line] = []
    for block in columns.blocks:
        lines += [[]] if lines else []
        head: Line = [(" " * (columns.first + 2), PLAIN)]
        lines.append(head + [(f"{columns.heads[n]:>{columns.wide[n]}}", BOLD) for n in block])
        for area in matrix.areas:
            lines.append(style.line(area.title, BOLD))
            lines += [_row(row, columns, block, style) for row in area.rows]
    signs = {sign_at(cell).word for row in matrix.rows for cell in row.cells}
    lines.append([])
    for sign in SIGNS:
        if sign.word in signs:
            lines.append([(f"  {style.mark(sign)} ", dict(sign.markup)), (style.text(sign.meaning), PLAIN)])
    if columns.legend:
        lines += _wrap("targets: ", columns.legend, style)
    return lines


def _row(row: Row, columns: Columns, block: range, style: Style) -> Line:
    name = _name(row.check.id, columns.first, style)
    line: Line = [(f"  {name:<{columns.first}}", PLAIN)]
    for number in block:
        sign = sign_at(row.cells[number])
        line.append((f"{style.mark(sign):>{columns.wide[number]}}", dict(sign.markup)))
    return line


def _name(check: str, width: int, style: Style) -> str:
    """Return a check's id in at most `width` characters; of a test's node id the end stays, which names the test."""
    full = style.text(check)
    if len(full) <= width or "::" not in full:
        return style.text(check, width)
    dots = "…" if style.unicode else "..."
    return dots + full[len(dots) - width :]


def _wrap(head: str, parts: Iterable[str], style: Style) -> list[Line]:
    """Return the parts joined by commas, in as many lines as needed."""
    lines: list[str] = []
    for part in parts:
        if lines and len(lines[-1]) + len(part) + 2 <= style.width:
            lines[-1] += f", {part}"
        else:
            lines.append((head if not lines else " " * len(head)) + part)
    return [style.line(text) for text in lines]


def _beside(results: Results, style: Style) -> list[Line]:
    """Say how attached sandboxes compare with new ones of the same runtime."""
    lines = []
    for one in results.beside:
        text, markup = beside_text(one), {"red": True} if one.weaker else PLAIN
        lines += [style.line(text, markup)]
    return lines


def beside_text(one: AttachedComparison) -> str:
    """Return one line: "docker:web: 4 weaker than a fresh docker: cap.sys_admin, ...; 30 checks compared"."""
    if one.reason:
        return f"{one.target}: not compared with a fresh one: {one.reason}"
    text = f"{one.target}: {len(one.weaker) or 'none'} weaker than a fresh {one.fresh}"
    text += f" ({', '.join(one.weaker)})" if one.weaker else ""
    text += f", {len(one.stronger)} stronger ({', '.join(one.stronger)})" if one.stronger else ""
    return f"{text}; {one.compared} checks compared"


def _moved(results: Results, style: Style) -> list[Line]:
    """Say what changed outside during the run: a finding of the whole run, whatever the checks say."""
    return [style.line(f"CHANGED OUTSIDE: {text}", {"red": True, "bold": True}) for text in results.run.moved]


def _partial(results: Results, style: Style) -> list[Line]:
    """Say that the results are a part."""
    words = [f"interrupted: {text}" for text in results.run.interrupted]
    words += [f"not judged: {text}" for text in results.run.not_judged]
    return [style.line(text, {"yellow": True, "bold": True}) for text in words]


def _limits(results: Results, style: Style) -> list[Line]:
    lines = [style.line(f"  {text}") for text in lines_of_limits(results)]
    return [style.line("Limits under load: allotted and measured", BOLD), *lines] if lines else []


def _documented(results: Results, style: Style) -> list[Line]:
    groups = documented(results)
    if not groups:
        return []
    lines = [style.line("Not holding, as documented", BOLD)]
    for source, cells in groups:
        lines.append(style.line(f"  {_places(cells)}"))
        lines.append(style.line(f"    {source}", DIM))
    return lines


def _places(cells: list[Cell]) -> str:
    by_target: dict[str, list[str]] = {}
    for cell in cells:
        by_target.setdefault(cell.target, []).append(cell.check)
    same: dict[tuple[str, ...], list[str]] = {}
    for target, checks in by_target.items():
        same.setdefault(tuple(checks), []).append(target)
    return "; ".join(f"{', '.join(targets)}: {', '.join(checks)}" for checks, targets in same.items())


def _better(results: Results, style: Style) -> list[Line]:
    cells = [cell for cell in results.cells if cell.judgement is Judgement.BETTER]
    if not cells:
        return []
    rows = [style.line(f"  {cell.check} on {cell.target}: {cell.reason}") for cell in cells]
    return [style.line("Better than documented or waived: expected.yaml or the waiver can be tightened", BOLD), *rows]


def _skipped(results: Results, style: Style, every: bool) -> list[Line]:
    lines = [
        style.line(f"  {len(cells)} × not applicable: {reason} ({_few(sorted({cell.target for cell in cells}))})")
        for reason, cells in (not_applicable(results) if every else ())
    ]
    for one, whats in counted(results.skipped):
        lines.append(style.line(f"  {len(whats)} × {_few(whats)}: {one.reason}"))
        if one.mend:
            lines.append(style.line(f"      mend: {one.mend}", DIM))
    return [style.line("Skipped", BOLD), *lines] if lines else []


def _notes(results: Results, style: Style) -> list[Line]:
    """List the known flaws with a matching version; a note is no verdict."""
    lines = [style.line(f"  {text}", DIM) for text in lines_of(results)]
    return [style.line(HEADING, BOLD), *lines] if lines else []


def _few(names: list[str]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")


def _findings(results: Results, style: Style) -> list[Line]:
    checks = {(check.id, check.version): check for check in results.checks}
    lines: list[Line] = []
    for cell in results.findings():
        check = checks.get((cell.check, cell.version), Check(id=cell.check))
        lines += [[], *(style.line(text) for text in finding_lines(_checked(cell, check, notes_on(results, cell))))]
    return [style.line("Findings, the worst first", {"red": True, "bold": True}), *lines[1:]] if lines else []


def _checked(cell: Cell, check: Check, known: Iterable[str]) -> CheckedCell:
    return CheckedCell(
        check=CheckedCheck(check.id, check.title, check.severity, gains=check.gains),
        target=cell.target,
        verdict=cell.verdict,
        judgement=cell.judgement,
        reason=cell.reason,
        inside=cell.evidence.inside,
        outside=cell.evidence.outside,
        reproduce=cell.reproduce,
        remedy=cell.remedy or check.remedy,
        known=tuple(known),
    )


def _next(results: Results, style: Style) -> list[Line]:
    found = results.findings()
    if results.run.moved and not found:
        return [style.line("The host changed during the run. Next: find out who did it, and run again.", {"red": True})]
    busy = [cell for cell in found if BUSY in cell.reason]
    if found and len(busy) == len(found):
        checks = ",".join(sorted({cell.check for cell in busy}))
        text = (
            f"The host was too busy for {checks}. Next: run it again on an idle host, with --isolation-check={checks}."
        )
        return [style.line(text, {"yellow": True})]
    if found:
        worst = next(cell for cell in found if cell not in busy)
        count = f"{len(found)} finding{'s' if len(found) > 1 else ''}"
        text = f"{count}. Next: mend {worst.check} on {worst.target}, or waive it in isolation.yaml until a date."
        return [style.line(text, {"red": True})]
    if results.run.not_judged:
        return [style.line("No findings among the checks that were judged.", {"yellow": True})]
    if results.run.interrupted:
        return [style.line("No findings so far. Next: run it to its end.", {"yellow": True})]
    if not any(cell.judgement is not Judgement.NONE for cell in results.cells):
        mends = [one.mend for one in results.skipped if one.mend]
        return [style.line(f"Nothing was observed. Next: {mends[0] if mends else 'name a runtime that is installed'}.")]
    if any(policy != "as documented" for policy in results.run.policies):
        return [style.line("No findings. Next: keep it so in CI with --isolation-report=DIR.", {"green": True})]
    if unjudged := without_policy(results):
        mend = "Next: judge them with --isolation-profile=baseline@1."
        return [style.line(f"No findings, but {'; '.join(unjudged)}. {mend}", {"yellow": True})]
    return [style.line("No findings. Next: ask for more with --isolation-profile=baseline@1.", {"green": True})]
