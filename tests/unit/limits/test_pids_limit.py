"""provisioner.limits.kinds.pids: what stopped the load, this limit or another bound."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "weaknesses"))
from fact_limits import limits_of, pids_load

from provisioner.errors import UnobservedFact
from provisioner.limits.document import Load
from provisioner.limits.kinds.pids import LIMIT

NPROC = "RLIMIT_NPROC came first, {} processes of its user (--ulimit nproc)"


def load(rose: bool, **seen: Any) -> Load:
    """Return a load that was stopped, with or without a refusal that its cgroup counted."""
    return Load.model_validate({**pids_load(), **({} if rose else {"after": limits_of()}), **seen})


@pytest.mark.parametrize(
    ("children", "nproc", "why"),
    [
        (14, 16, f"fork failed after 14 of 64: {NPROC.format(16)}"),
        (62, 64, f"fork failed, and not by this limit: {NPROC.format(64)}"),
        (50, 100, f"fork failed, and not by this limit: {NPROC.format(100)}"),  # its user has other processes
        (14, None, "fork failed after 14 of 64: by another bound"),
        (14, 90000, "fork failed after 14 of 64: by another bound"),
        (62, None, "fork failed, and not by this limit: pids.events did not rise"),
    ],
)
def test_the_bound_that_came_first_is_named(children: int, nproc: int | None, why: str) -> None:
    with pytest.raises(UnobservedFact) as error:
        LIMIT.why_not_in_force(load(False, children=children, nproc=nproc))

    assert str(error.value).endswith(why)


def test_a_limit_that_counted_its_refusal_is_in_force_whatever_the_users() -> None:
    assert LIMIT.why_not_in_force(load(True, nproc=64)) is None


def test_a_cgroup_that_refused_early_is_not_the_users_limit() -> None:
    with pytest.raises(UnobservedFact, match="by another bound"):
        LIMIT.why_not_in_force(load(True, children=14, nproc=16))
