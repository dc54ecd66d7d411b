"""Lets what looks at a whole session run when the rest of it, the bundled suite too, has run."""

from __future__ import annotations

import pytest

LAST = "test_judged_again_live.py"


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: item.path.name == LAST)
