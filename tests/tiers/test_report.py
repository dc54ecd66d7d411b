"""What is told at the end of a run, and its exit status."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiers.lanes import Lane
from tiers.report import Result, State, exit_status, reasons, table, why

LANE = Lane("container-runc", "full", 72)
OUTPUT = """\
collected 3 items
E   AssertionError: it is open
FAILED tests/test_x.py::test_y - AssertionError
plain line
make: *** [Makefile:3: check] Error 1
container-runc: exit status 1 after 3 s
"""


def test_the_table_has_the_time_of_each_lane_beside_the_known_one() -> None:
    told = table([Result(LANE, "passed", 80.4), Result(Lane("host", "push", 95), "not run")])

    assert told.splitlines() == [
        "lane                  result     seconds   known",
        "container-runc        passed          80      72",
        "host                  not run          -      95",
    ]


def test_reasons_are_the_tests_that_failed_and_what_they_said() -> None:
    assert reasons(OUTPUT).splitlines() == [
        "FAILED tests/test_x.py::test_y - AssertionError",
        "container-runc: exit status 1 after 3 s",
        "E   AssertionError: it is open",
    ]


def test_an_output_that_names_no_test_gives_its_last_lines() -> None:
    output = "\n".join([*map(str, range(20)), "ModuleNotFoundError: no such module", "up m: exit status 1 after 2 s"])

    assert reasons(output).splitlines()[-2:] == ["ModuleNotFoundError: no such module", "up m: exit status 1 after 2 s"]
    assert len(reasons(output).splitlines()) == 8


def test_a_long_reason_is_cut() -> None:
    assert len(reasons(f"E   {'x' * 1000}")) == 300


def test_a_flaky_lane_is_told_with_the_reason_of_its_failure(tmp_path: Path) -> None:
    log = tmp_path / "container-runc.log"
    log.write_text(OUTPUT)

    told = why([Result(LANE, "flaky", 90, (log,)), Result(LANE, "passed")], "flaky")

    assert told.startswith(f"flaky: container-runc: {log}\nFAILED tests/test_x.py::test_y")
    assert why([Result(LANE, "flaky", 90, (log,))], "failed") == ""


@pytest.mark.parametrize(
    ("state", "strict", "status"),
    [
        ("passed", True, 0),
        ("flaky", False, 0),
        ("flaky", True, 1),
        ("failed", False, 1),
        ("not run", False, 1),
    ],
)
def test_a_flaky_lane_fails_where_that_is_strict(state: State, strict: bool, status: int) -> None:
    assert exit_status([Result(LANE, "passed"), Result(LANE, state)], strict) == status
