"""Lets the modules beside this file import each other, and prints what plants came to: a line each, rates by area."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from rates import table


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for each live plant that ran, and the rates of all; from the reports, so workers' too."""
    reports = [report for word in ("passed", "failed") for report in terminalreporter.stats.get(word, ())]
    noted = [one for report in reports for one in getattr(report, "user_properties", ())]
    for key, title, lines in (
        ("confusion", "planted weaknesses", lambda values: map(str, values)),
        ("rates", "true and false positives by area", table),
    ):
        if values := [value for name, value in noted if name == key]:
            terminalreporter.section(title)
            for line in lines(values):
                terminalreporter.write_line(line)
