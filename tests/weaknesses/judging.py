"""Runs the bundled suite over one record, as `isolation judge` does, without pytest's own collection.

In: a Record.  Out: verdict and reason by check id.  Uses the project's own mapping of outcomes to verdicts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from pytest_isolation.judge.judge import observed_by, suite_checks
from pytest_isolation.policy.verdict import Verdict
from pytest_isolation.records.record import Record
from pytest_isolation.records.view import judge_fixtures

Found = tuple[Verdict, str]


@cache
def checks() -> dict[str, Callable[..., None]]:
    """Return the suite's checks by id."""
    found: dict[str, Callable[..., None]] = {}
    for function in suite_checks():
        mark = marker(function)
        assert mark is not None, f"{function.__name__} lacks the marker"
        assert mark.args[0] not in found, f"{mark.args[0]} stands twice"
        found[mark.args[0]] = function
    return found


def marker(function: Any) -> pytest.Mark | None:
    """Return a function's `isolation` marker."""
    marks = (getattr(mark, "mark", mark) for mark in getattr(function, "pytestmark", ()))
    return next((mark for mark in marks if mark.name == "isolation"), None)


def judge(record: Record, names: frozenset[str] | None = None) -> dict[str, Found]:
    """Return what each check (or each of `names`) says of the record."""
    fixtures = judge_fixtures(record)
    return {
        name: observed_by(check, record, fixtures) for name, check in checks().items() if names is None or name in names
    }
