"""In which order lanes run, and how long that takes."""

from __future__ import annotations

from tiers.lanes import Lane
from tiers.schedule import SETUP, estimate, phases

QUICK = Lane("q", "quick", 100)
LONG, SHORT = Lane("long", "full", 60), Lane("short", "push", 20)
HOST = Lane("host", "push", 30, alone=True)
FIRST, SECOND = (Lane(name, "full", 50, machine="m") for name in ("first", "second"))


def test_the_quick_come_first_and_those_alone_last() -> None:
    quick, beside, alone = phases([HOST, SHORT, LONG, QUICK])

    assert [job.lanes for job in quick] == [(QUICK,)]
    assert [job.lanes for job in beside] == [(LONG,), (SHORT,)]
    assert [job.lanes for job in alone] == [(HOST,)]


def test_lanes_of_one_machine_run_one_after_the_other() -> None:
    _, beside, _ = phases([LONG, FIRST, SECOND])

    assert [job.lanes for job in beside] == [(FIRST, SECOND), (LONG,)]
    assert beside[0].machine == "m"


def test_two_lanes_run_at_once() -> None:
    assert estimate([LONG, SHORT]) == SETUP + 60
    assert estimate([LONG, SHORT, FIRST, SECOND]) == SETUP + 100
    assert estimate([QUICK, LONG, HOST]) == SETUP + 100 + 60 + 30
