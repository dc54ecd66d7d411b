"""Ranges of user and group ids."""

from __future__ import annotations

import pytest

from provisioner.facts.status import IdRange
from pytest_isolation.walls.users import overlaps


def ranges(*outside: tuple[int, int]) -> list[IdRange]:
    return [IdRange(inside=0, outside=first, count=count) for first, count in outside]


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (((100, 10),), ((110, 10),), []),
        (((100, 10),), ((109, 10),), [(109, 109)]),
        (((100, 100),), ((120, 5), (150, 100)), [(120, 124), (150, 199)]),
        (((5, 1),), ((5, 1),), [(5, 5)]),
        ((), ((0, 10),), []),
    ],
)
def test_ranges_that_both_maps_hold(own: list[tuple[int, int]], other: list[tuple[int, int]], expected: object) -> None:
    assert overlaps(ranges(*own), ranges(*other)) == expected
