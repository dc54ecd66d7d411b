"""The one check that the made-up limit takes."""

from __future__ import annotations

import pytest

from pytest_isolation.records.view import SandboxView
from pytest_isolation.suite.processes.test_limits import judge_limit


@pytest.mark.isolation_active
@pytest.mark.isolation("lim.forks", severity="high", profile="baseline", shows=["limits.forks"])
def test_forks_limit_is_in_force(sandbox: SandboxView) -> None:
    """It forks no more often than allotted."""
    judge_limit(sandbox, "forks")
