"""Runs some tests in the process of the session though pytest-forked is asked to fork for each.

In: a test.  Out: whether `--forked` counts for it.
A check of the suite measures what later checks and the report use too: in a forked child that would be lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest

from pytest_isolation.session.suite import in_suite


@contextlib.contextmanager
def without_forking(item: pytest.Item) -> Iterator[None]:
    """
    Switch `--forked` off while a check of the suite runs, or a destructive test: it is undone in this process.

    Args:
        item: the test.
    """
    option = item.config.option
    here = in_suite(item.path) or item.get_closest_marker("isolation_destructive") is not None
    if not here or not getattr(option, "forked", False):
        yield
        return
    option.forked = False
    try:
        yield
    finally:
        option.forked = True
