"""A check over the made-up section."""

from __future__ import annotations

import pytest

from pytest_isolation.records.view import SandboxView


@pytest.mark.isolation("made.clock", shows=["clock.offset"])
def test_its_clock_is_right(sandbox: SandboxView) -> None:
    """Its clock is right."""
    assert not sandbox.system.clock.offset, "its clock is off"
