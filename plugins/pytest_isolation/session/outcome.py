"""Maps a judged cell to pytest's outcome, once, so that counts, JUnit, exit status, -n2 and --lf agree.

In: pytest's report of a test, and the test's cell.
Out: the same report, changed in place.  `cell_of` reads the cell from it again.
"""

from __future__ import annotations

import json
from collections.abc import Iterable

import pytest
from _pytest._code.code import ReprEntryNative, ReprExceptionInfo, ReprFileLocation, ReprTraceback

from pytest_isolation.escape import escape, escape_block, is_harmless
from pytest_isolation.policy.verdict import Cell, Judgement, Verdict
from pytest_isolation.report.finding import MAX_LINE, finding_lines, xfail_reason

PROPERTY = "isolation"


def apply_judgement(report: pytest.TestReport, cell: Cell, verbosity: int = 0, own: bool = False) -> None:
    """
    Give the report the outcome of the cell's judgement.

    A report that has an outcome by pytest's own xfail stays as it is.

    Args:
        report: of the phase that ended the test: "call", or "setup" if a fixture ended it.
        cell: what was observed, and the judgement.
        verbosity: pytest's -v count; from 2 on the traceback stays, with the finding in a section below it.
        own: whether it is a test of the user, which fails as any pytest test: its traceback always stays.
    """
    if hasattr(report, "wasxfail"):
        return
    if cell.judgement in (Judgement.OK, Judgement.BETTER):
        report.outcome = "passed"
        report.longrepr = None
    elif cell.judgement in (Judgement.DOCUMENTED, Judgement.WAIVED):
        report.outcome = "skipped"
        report.wasxfail = f"reason: {xfail_reason(cell)}"
    elif cell.judgement is Judgement.NONE:
        path, line, _ = report.location
        report.outcome = "skipped"
        report.longrepr = (path, (line or 0) + 1, f"Skipped: {escape(cell.reason, MAX_LINE)}")
    else:
        report.outcome = "failed"
        _show_finding(report, cell, verbosity, own)


def neutralise(report: pytest.TestReport) -> None:
    """
    Escape everything that pytest shows of a test.

    A sandbox chooses names that get into messages, tracebacks and the output of the test.
    """
    report.sections = [(escape(title), escape_block(text)) for title, text in report.sections]
    shown = report.longrepr
    if isinstance(shown, str):
        report.longrepr = escape_block(shown)
    elif isinstance(shown, tuple):
        path, line, reason = shown
        report.longrepr = (path, line, escape(reason))
    elif shown is not None and not is_harmless(text := str(shown)):
        crash = getattr(shown, "reprcrash", None)
        path, number, _ = report.location
        message = escape(next(iter(crash.message.splitlines()), "")) if crash else ""
        report.longrepr = ReprExceptionInfo(
            reprtraceback=ReprTraceback([ReprEntryNative([f"{escape_block(text)}\n"])], extraline=None, style="native"),
            reprcrash=ReprFileLocation(path, (number or 0) + 1, message),
        )


def _show_finding(report: pytest.TestReport, cell: Cell, verbosity: int, own: bool) -> None:
    lines = finding_lines(cell)
    add_section = getattr(report.longrepr, "addsection", None)
    if add_section is not None and (own or (verbosity >= 2 and cell.verdict is not Verdict.UNKNOWN)):
        add_section("isolation", "\n".join(lines))
        return
    path, line, _ = report.location
    message = lines[0] if len(lines) == 1 else escape(f"{cell.check.id} {cell.verdict}: {cell.reason}", MAX_LINE)
    # A representation of pytest's own kind passes xdist unchanged, and the short summary and JUnit read its message.
    entry = ReprEntryNative([f"{text}\n" for text in lines])
    report.longrepr = ReprExceptionInfo(
        reprtraceback=ReprTraceback([entry], extraline=None, style="native"),
        reprcrash=ReprFileLocation(path, (line or 0) + 1, message),
    )


def carry_cell(item: pytest.Item, report: pytest.TestReport, cell: Cell) -> None:
    """
    Put the cell into the user_properties, where pytest-xdist, JUnit and `cell_of` find it.

    pytest copies the item's properties into the report of each later phase, and JUnit writes those of the teardown.  So
    both the item and this report get them.

    Args:
        item: the test.
        report: the report of the phase that ended it.
        cell: the cell.
    """
    values = [
        ("isolation_verdict", str(cell.verdict)),
        ("isolation_judgement", str(cell.judgement)),
        (PROPERTY, json.dumps(cell.to_dict(), sort_keys=True)),
    ]
    for properties in (item.user_properties, report.user_properties):
        properties.extend(values)


def drop_cell(item: pytest.Item) -> None:
    """Remove the cell of an earlier try: pytest copies the item's properties into the report of its next setup."""
    item.user_properties[:] = [one for one in item.user_properties if not one[0].startswith(PROPERTY)]


def cell_of(report: pytest.TestReport) -> Cell | None:
    """
    Return the cell that a report carries, from this process or from a worker; None if it carries none.

    The report of a teardown repeats the item's properties for JUnit; that is no second cell.
    """
    return None if report.when == "teardown" else cell_in(report.user_properties)


def cell_in(properties: Iterable[tuple[str, object]]) -> Cell | None:
    """Return the last cell among a report's user_properties."""
    found = [value for name, value in properties if name == PROPERTY]
    return Cell.from_dict(json.loads(str(found[-1]))) if found else None
