"""Amounts that a user writes: numbers and text with a unit; what a runtime cannot give is refused."""

from __future__ import annotations

import pytest

from provisioner.errors import IsolationError
from provisioner.limits.limits import Limits
from provisioner.runtimes.load import load_runtime
from provisioner.sandboxes.flags import limit_flags
from provisioner.sandboxes.spec import RefusedError, Spec


@pytest.mark.parametrize(
    ("given", "amount"),
    [
        ("64MiB", 64 << 20),
        ("64m", 64 << 20),
        ("64 Mi", 64 << 20),
        ("1GiB", 1 << 30),
        ("1.5g", 3 << 29),
        ("64MB", 64_000_000),
        ("4096b", 4096),
        ("67108864", 64 << 20),
        (64 << 20, 64 << 20),
    ],
)
def test_memory_takes_the_units_of_docker_kubernetes_and_the_si(given: str | int, amount: int) -> None:
    limits = Limits(memory=given)

    assert limits.amounts == {"memory": amount}
    assert isinstance(limits.amounts["memory"], int)


@pytest.mark.parametrize(("given", "amount"), [(0.5, 0.5), ("0.5", 0.5), (2, 2.0)])
def test_processors_are_numbers(given: str | float, amount: float) -> None:
    assert Limits(cpus=given).amounts == {"cpu": amount}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            {"memory": "64MBit"},
            "cannot limit memory to '64MBit': it is counted in bytes; write 64MiB, 1GiB or 67108864",
        ),
        ({"memory": "much"}, "it is counted in bytes; write 64MiB"),
        ({"memory": [1]}, "it is counted in bytes; write 64MiB"),
        ({"memory": -1}, "cannot limit memory to -1: it must be more than zero"),
        ({"memory": "-1MiB"}, "it must be more than zero"),
        ({"memory": float("nan")}, "it must be more than zero"),
        ({"cpus": float("inf")}, "it must be more than zero"),
        ({"cpus": "500m"}, "cannot limit cpus to '500m': it is counted in processors; write 0.5 or 2"),
        ({"pids": "32MiB"}, "cannot limit pids to '32MiB': it is counted in tasks; write 32"),
        ({"pids": 1.5}, "cannot limit pids to 1.5: it is no whole number of tasks; write 32"),
        ({"pids": True}, "cannot limit pids to True"),
        ({"memory": 0}, "cannot limit memory to 0: it must be more than zero"),
        ({"memroy": 1}, "cannot limit 'memroy'; did you mean 'memory'? (there are: memory, cpus, pids, "),
    ],
)
def test_a_wrong_amount_names_the_unit(asked: dict[str, str | float], message: str) -> None:
    with pytest.raises(IsolationError) as error:
        Limits(**asked)

    assert message in str(error.value)


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        (Limits(memory="64MiB"), "cannot limit memory of 'qemu' to 64MiB; it needs at least 192MiB"),
        (Limits(cpus=0.5), "cannot limit cpus of 'qemu' to 0.5 processors; it needs at least 1 processors"),
    ],
)
def test_less_than_a_guest_needs_is_refused_with_the_least(limits: Limits, message: str) -> None:
    with pytest.raises(RefusedError) as error:
        limit_flags(load_runtime("qemu"), Spec(limits), {})

    assert str(error.value) == message
