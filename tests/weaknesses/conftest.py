"""Lets the modules beside this file import each other, and prints the live plants' confusion matrix."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print one line for each live plant that ran, from the reports, so that workers' plants are there too."""
    reports = [report for word in ("passed", "failed") for report in terminalreporter.stats.get(word, ())]
    rows = [value for report in reports for key, value in getattr(report, "user_properties", ()) if key == "confusion"]
    if rows:
        terminalreporter.section("planted weaknesses")
        for row in rows:
            terminalreporter.write_line(str(row))
