"""A report that cannot be written: the run says so in one line, and fails."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from faults.case import wide
from faults.home import Home, session
from faults.phases import ANSWERS
from faults.promise import Promise
from faults.world import World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="runs a sandbox as root")


def fifo(report: Path) -> None:
    os.mkfifo(report)


def full_device(report: Path) -> None:
    report.symlink_to("/dev/full")


def dangling(report: Path) -> None:
    report.symlink_to("nowhere/report")


def plain_file(report: Path) -> None:
    report.write_text("mine\n")


def folder_in_its_place(report: Path) -> None:
    (report / "results.json").mkdir(parents=True)


def fifo_in_its_place(report: Path) -> None:
    report.mkdir()
    os.mkfifo(report / "results.json")


def file_for_facts(report: Path) -> None:
    report.mkdir()
    (report / "facts").write_text("mine\n")


@pytest.mark.parametrize(
    "make",
    [
        fifo,
        dangling,
        folder_in_its_place,
        *(pytest.param(make, marks=wide) for make in (full_device, plain_file, file_for_facts)),
    ],
)
def test_a_report_that_cannot_be_written_is_refused_in_one_line(home: Home, make: object) -> None:
    assert callable(make)
    home.write_test(ANSWERS)
    report = home.work / "report"
    make(report)
    before = World.now(home)

    with home.start(session("unshare")) as program:
        program.finish(60)

    assert Promise({4}, says="report").broken(home, program, before) == []


def test_a_fifo_for_results_is_replaced_without_a_reader(home: Home) -> None:
    home.write_test(ANSWERS)
    fifo_in_its_place(home.work / "report")
    before = World.now(home)

    with home.start(session("unshare")) as program:
        program.finish(60)

    assert Promise({0, 1, 4}).broken(home, program, before) == []
    assert program.process.returncode or (home.work / "report" / "results.json").is_file()
