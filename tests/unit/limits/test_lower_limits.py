"""A limit that a lower one of another kind comes before: nproc below pids, /dev/shm below memory."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "weaknesses"))
from fact_limits import MIB, limits_of, nproc_load, shm_load

from provisioner.errors import UnobservedFact
from provisioner.limits.document import Load
from provisioner.limits.kinds.nproc import LIMIT as NPROC
from provisioner.limits.kinds.shm import LIMIT as SHM


def nproc(children: int, tasks: int | None, refusals: int = 1, shown: int = 1024) -> Load:
    """Return a load under an RLIMIT_NPROC of 1024 and a limit of tasks that counted refusals."""
    before, after = limits_of(), limits_of(refusals=refusals)
    for files in (before, after):
        files["nproc"] = {"soft": shown, "limit": shown}
        files["pids"] |= {"limit": tasks}
    made = {**nproc_load(), "limit": 1024.0, "user_children": children, "shown": before, "after": after}
    return Load.model_validate(made)


def test_a_limit_of_tasks_that_refused_comes_first() -> None:
    assert NPROC.why_not_applicable(nproc(510, 512)) == "its limit of 512 tasks comes first: lim.pids"


@pytest.mark.parametrize(
    "load",
    [
        nproc(510, 512, refusals=0),  # its cgroup refused nothing: the user's other tasks count
        nproc(510, None),
        nproc(510, 2048),
        nproc(9, 512),  # something else ended it
        nproc(600, 512),  # more came up than the limit of tasks allows
        nproc(510, 512, shown=4096),  # another hard value than was asked for
    ],
    ids=["not refused", "no limit", "a higher limit", "far below", "beyond it", "not shown"],
)
def test_nothing_else_comes_first(load: Load) -> None:
    assert NPROC.why_not_applicable(load) is None


def shm(memory: int | None, **seen: Any) -> Load:
    """Return a load that was killed while it filled a /dev/shm of 62.5 MiB below a limit of memory."""
    size = 65_536_000
    files = limits_of()
    files["shm"] |= {"limit": size}
    files["memory"] |= {"limit": memory}
    unknown = {"unobserved": "", "why": "it was killed"}
    made = {**shm_load(), "limit": float(size), "ended": "signal SIGKILL", "shm_bytes": unknown, "shm_error": unknown}
    return Load.model_validate({**made, "shown": files, **seen})


@pytest.mark.parametrize("memory", [32 * MIB, 64 * MIB])
def test_a_load_that_was_killed_at_its_memory_limit_did_not_fill_shm(memory: int) -> None:
    assert SHM.why_not_in_force(shm(memory)) is None


@pytest.mark.parametrize("memory", [None, 512 * MIB])
def test_a_load_that_was_killed_by_something_else_is_unknown(memory: int | None) -> None:
    with pytest.raises(UnobservedFact):
        SHM.why_not_in_force(shm(memory))
