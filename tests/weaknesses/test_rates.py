"""Rates of true and false positives by area."""

from __future__ import annotations

from rates import Counts, count, table

JUDGED = ("ns.pid", "ns.net", "cap.mknod", "cap.net_raw", "env.secrets")


def test_cells_are_counted_by_area() -> None:
    found = count({"ns.pid": "open", "ns.net": "open"}, {"ns.pid": "open", "cap.mknod": "open"}, JUDGED)

    assert found == {"ns": [1, 1, 0, 0], "cap": [0, 0, 1, 1], "env": [0, 0, 0, 1]}


def test_another_verdict_than_the_expected_one_is_a_miss() -> None:
    assert count({"ns.pid": "open"}, {"ns.pid": "unknown"}, JUDGED)["ns"] == [0, 1, 0, 1]


def test_what_may_move_is_not_counted() -> None:
    assert "env" not in count({}, {"env.secrets": "open"}, JUDGED, also=["env.secrets"])


def test_a_rate_of_nothing_is_none() -> None:
    assert (Counts().true_rate, Counts().false_rate) == (None, None)
    assert (Counts(found=3, missed=1).true_rate, Counts(false=1, quiet=3).false_rate) == (0.75, 0.25)


def test_the_table_has_a_line_for_each_area_and_one_for_all() -> None:
    plants = [count({"ns.pid": "open"}, {"ns.pid": "open"}, JUDGED), count({}, {"cap.mknod": "open"}, JUDGED)]

    lines = [line.split() for line in table(plants)[1:]]

    assert lines == [
        ["cap", "0", "0", "-", "4", "1", "25.000%"],
        ["env", "0", "0", "-", "2", "0", "0.000%"],
        ["ns", "1", "1", "100.0%", "3", "0", "0.000%"],
        ["all", "1", "1", "100.0%", "9", "1", "11.111%"],
    ]
