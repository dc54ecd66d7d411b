"""The lines of an interrupted program."""

from __future__ import annotations

import signal

import pytest

from provisioner.interrupt.lines import first_line, last_line, second_line

THINGS = [("sandbox", "iso-1"), ("sandbox", "iso-2"), ("cgroup", "iso-1"), ("machine", "debian12"), ("canary", "7")]


def test_the_first_line_counts_things_names_machines_and_says_how_to_force_the_end() -> None:
    assert first_line(signal.SIGINT, THINGS) == (
        "interrupted; removing 2 sandboxes and 2 other things and stopping machine 'debian12' "
        "(Ctrl-C twice more ends at once)"
    )


def test_a_machine_with_two_entries_is_named_once() -> None:
    line = first_line(signal.SIGTERM, [("machine", "a"), ("machine", "b"), ("machine", "a")])

    assert line == "interrupted by SIGTERM; stopping machines 'a' and 'b' (SIGTERM twice more ends at once)"


def test_without_anything_to_undo_the_first_line_is_short() -> None:
    assert first_line(signal.SIGHUP, []) == "interrupted by SIGHUP"


@pytest.mark.parametrize(
    ("things", "doing", "text"),
    [
        ([("process", "1"), ("process", "2")], "", "removing 2 processes"),
        ([], "waiting for 'make'", "waiting for 'make'"),
        ([("folder", "x")], "waiting for 'make'", "waiting for 'make' and removing 1 thing"),
        ([], "", "ending"),
    ],
)
def test_the_second_line_says_what_is_left(things: list[tuple[str, str]], doing: str, text: str) -> None:
    assert second_line(signal.SIGINT, things, doing) == f"still {text} (Ctrl-C once more ends at once)"


def test_the_last_line_names_what_prune_will_find() -> None:
    assert last_line(THINGS[2:4]) == ("ended at once; left for `provisioner prune`: machine debian12, cgroup iso-1")


def test_the_last_line_names_at_most_twelve_things() -> None:
    line = last_line([("sandbox", f"iso-{number}") for number in range(20)])

    assert "sandbox iso-11, 8 more" in line
    assert "iso-12" not in line


def test_the_last_line_says_that_nothing_is_left() -> None:
    assert last_line([]) == "ended at once; nothing is left"
