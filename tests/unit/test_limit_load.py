"""pytest_isolation.live.limit_load: a load that a test pushes; what it cannot push is refused in the limit's unit."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from provisioner.errors import IsolationError, UnobservedFact
from provisioner.limits.kinds.memory import LIMIT
from provisioner.limits.limits import Limits
from pytest_isolation.live.further import make_further
from pytest_isolation.live.limit_load import LimitLoad, start_load

NONE: Any = SimpleNamespace(spec=SimpleNamespace(limits=Limits(memory="64MiB")), outside=lambda: None)


@pytest.mark.parametrize(
    ("name", "pushed", "message"),
    [
        ("memory", "1 box", "cannot push memory by '1 box': it is counted in bytes; write 64MiB, 1GiB or 67108864"),
        ("cpus", "0.5m", "cannot push cpus by '0.5m': it is counted in processors; write 0.5 or 2"),
        ("memory", "0", "cannot push memory by '0': it must be more than zero"),
        ("memory", "4GiB", "cannot push 4096MiB of memory: a load takes at most 2048MiB"),
        ("memroy", 1, "cannot push against 'memroy': there is no such limit; did you mean 'memory'?"),
        ("pids", 64, "cannot push against pids: the sandbox has no such limit; make the sandbox with one"),
    ],
)
def test_what_cannot_be_pushed_is_refused_in_one_line(name: str, pushed: str | int, message: str) -> None:
    with pytest.raises(IsolationError) as error:
        start_load(NONE, name, pushed, 2)

    assert str(error.value).startswith(message)


def test_a_load_below_the_limit_cannot_tell() -> None:
    load = LimitLoad(LIMIT, 32 << 20, SimpleNamespace(wait=lambda: SimpleNamespace(limit=64 << 20)))  # type: ignore[arg-type]

    with pytest.raises(UnobservedFact, match="a load of 32MiB does not exceed 64MiB"):
        load.why_not_in_force()


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"limits": Limits(pids=32), "pids": 16}, "cannot set the limit 'pids' twice"),
        ({"limits": {"pids": 32}}, "they are no Limits"),
    ],
)
def test_limits_are_given_once_and_as_limits(asked: dict[str, Any], message: str) -> None:
    with pytest.raises(IsolationError, match=message):
        make_further(SimpleNamespace(), SimpleNamespace(), **asked)  # type: ignore[arg-type]
