"""The fixture of tests that break a program themselves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from faults.home import Home


@pytest.fixture
def home() -> Iterator[Home]:
    made = Home()
    yield made
    made.close()
