"""pytest_isolation.differential.run: several configurations at once, in order."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator

import pytest

from pytest_isolation.differential.run import side_by_side


def test_results_come_in_the_order_of_the_items() -> None:
    late = threading.Event()

    def work(item: int) -> int:
        if item == 0:
            late.wait(5)
        if item == 1:
            late.set()
        return item * item

    assert list(side_by_side(work, range(20), at_once=2)) == [(one, one * one) for one in range(20)]


def test_items_are_drawn_only_shortly_before_they_are_worked_on() -> None:
    drawn: list[int] = []

    def draw() -> Iterator[int]:
        for one in itertools.count():
            drawn.append(one)
            yield one

    results = side_by_side(lambda item: item, draw(), at_once=3)

    assert [next(results)[0] for _ in range(10)] == list(range(10))
    assert len(drawn) < 20
    results.close()


def test_an_error_ends_it() -> None:
    def work(item: int) -> int:
        return 1 // (3 - item)

    results = side_by_side(work, range(100), at_once=2)

    with pytest.raises(ZeroDivisionError):
        list(results)
