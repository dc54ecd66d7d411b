"""README.md says what the code says: options, signs, number of checks, rows of the matrix."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_isolation.judge.judge import suite_checks
from pytest_isolation.report.signs import SIGNS

ROOT = Path(__file__).resolve().parents[3]
README = (ROOT / "README.md").read_text("utf-8")
MATRIX = (ROOT / "docs/reference/matrix.md").read_text("utf-8")


def test_every_option_is_listed_and_every_listed_one_exists() -> None:
    source = (ROOT / "plugins/pytest_isolation/options.py").read_text("utf-8")

    assert set(re.findall(r'"(--isolation[a-z-]*)"', source)) == set(
        re.findall(r"^\| `(--isolation[a-z-]*)", README, re.M)
    )


def test_every_sign_of_the_matrix_is_explained() -> None:
    assert {sign.mark for sign in SIGNS} == set(re.findall(r"^\| `(.)` \|", README, re.M))


def test_the_number_of_checks_is_that_of_the_suite() -> None:
    assert {len(suite_checks())} == {int(number) for number in re.findall(r"has (\d+) (?:checks|rows)", README)}


def test_the_rows_shown_are_those_of_the_whole_matrix() -> None:
    legend = MATRIX[MATRIX.rindex("targets: ") :].split("\n\n")[0]
    columns = {name: int(number) - 1 for number, name in re.findall(r"(\d) = ([\w+]+)", legend)}
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in README.splitlines() if line[:1] == "|"]
    header = next(row for row in rows if row[0] == "check")
    shown = [row for row in rows if len(row) == len(header) and row[0].startswith("`")]

    assert len(shown) == 6
    for row in shown:
        found = re.search(rf"^ +{re.escape(row[0].strip('`'))} +(.*)$", MATRIX, re.M)
        if found is None:
            pytest.fail(f"the matrix has no row {row[0]}")
        signs = found[1].split()
        assert row[2:] == [signs[columns[name]] for name in header[2:]], row[0]
