"""provisioner.doctor.draw: a report for people, on any width, with and without colour and Unicode."""

from __future__ import annotations

import io
from typing import Any

import pytest
from fakes_doctor import GOOD, LACK, LOOKS, PRICED, report_of, saying
from rich.console import Console

from provisioner.doctor.draw import draw, next_step
from provisioner.doctor.finding import Report, lacking, ok
from provisioner.doctor.look import Look


def drawn(report: Report, width: int = 80, encoding: str = "utf-8", **options: Any) -> str:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict")
    draw(report, Console(file=stream, width=width, **options))
    stream.flush()
    stream.seek(0)
    return stream.read()


def test_a_lack_shows_its_price_its_mend_and_its_note() -> None:
    told = drawn(report_of(*LOOKS))

    assert (
        told
        == f"""\
host
  ✓ ok       roof   is tight
  ! limited  door   is open
                    costs: it is cold
                    mend:  shut it
                    note:  gently
  ✗ lacking  floor  is not there
                    costs: nothing stands
                    mend:  lay a floor

users
  ? unknown  name   nobody says

1 ok, 1 limited, 1 lacking, 1 unknown; looked for {report_seconds(told)} s
✗ container cannot run here: no runtime here makes one
✗ vm        cannot run here: no runtime here makes one
✗ lab       cannot run here: no runtime here makes one
next: lay a floor
"""
    )


def report_seconds(told: str) -> str:
    return told.split("looked for ")[1].split(" s")[0]


def test_a_correct_set_up_shows_nothing_but_ok() -> None:
    report = report_of(
        GOOD,
        Look("containers", "runc", saying(ok("hello")), decides=("runc", "container"), needed_for=("lab",)),
        Look("virtual machines", "qemu", saying(ok("hello")), decides=("qemu", "vm")),
    )
    told = drawn(report, force_terminal=True, color_system="standard")

    assert not any(mark in told for mark in ("\x1b[33m", "\x1b[31m", "\x1b[35m", "costs:", "mend:"))
    assert told.endswith("pytest --isolation=container,vm\n")


def test_colours_come_with_signs_and_words_and_go_without_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    report = report_of(*LOOKS)
    coloured = drawn(report, force_terminal=True, color_system="standard")
    monkeypatch.setenv("NO_COLOR", "1")
    plain = drawn(report, force_terminal=True, color_system="standard")

    assert "\x1b[31m✗" in coloured
    assert "\x1b[3" not in plain
    assert "✗ lacking" in drawn(report)


def test_where_the_stream_is_ascii_signs_are_too() -> None:
    report = report_of(LACK, Look("host", "snow", saying(lacking("lies … ❄", "→"))))

    told = drawn(report, encoding="ascii")

    assert "x lacking  floor" in told
    assert "lies ... \\u2744" in told


@pytest.mark.parametrize("width", [20, 40, 63, 64, 80, 200])
def test_on_any_width_text_is_wrapped_and_commands_are_whole(width: int) -> None:
    mend = "apt-get install --no-install-recommends " + " ".join(f"package{number}" for number in range(9))
    long = Look("host", "stairs", saying(lacking("word " * 40, "price " * 40, mend)))

    lines = drawn(report_of(GOOD, long), width=width).splitlines()

    assert sum(mend in line for line in lines) == 2  # in its row, and as the next step
    assert all(len(line) <= max(width, 64) for line in lines if mend not in line)


def test_next_is_the_mend_of_what_keeps_a_kind_from_running() -> None:
    runtime = Look("containers", "runc", saying(lacking("no", "", "install runc")), decides=("runc", "container"))

    assert next_step(report_of(LACK, runtime)) == "install runc"


def test_next_is_the_worst_lack_when_all_kinds_run() -> None:
    kinds = [Look("containers", name, saying(ok("hello")), decides=(name, name)) for name in ("container", "vm", "lab")]

    assert next_step(report_of(PRICED, LACK, *kinds)) == "lay a floor"
    assert next_step(report_of(PRICED, *kinds)) == "shut it"
    assert next_step(report_of(*kinds)) == "pytest --isolation=container,vm"
