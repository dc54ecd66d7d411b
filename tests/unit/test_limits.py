"""provisioner.limits.limits: what a sandbox is asked to keep."""

from __future__ import annotations

import pytest

from provisioner.errors import IsolationError
from provisioner.limits.limits import Limits


def test_asked_names_what_is_set() -> None:
    assert Limits().asked() == ()
    assert Limits(memory=1, pids=2).asked() == ("memory", "pids")


@pytest.mark.parametrize("limits", [{"memory": 0}, {"cpus": -0.5}, {"pids": 0}, {"cpus": float("nan")}])
def test_a_limit_of_nothing_is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(IsolationError, match="more than zero"):
        Limits(**limits)  # type: ignore[arg-type]
