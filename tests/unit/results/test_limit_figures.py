"""pytest_isolation.results.limits: the figures of limits are those of the records, in every report."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from isolation_command import isolation
from sample_records import archived, blank

from provisioner.limits.document import Load, Loads
from provisioner.limits.limit import limit_named, limit_names
from provisioner.observed import unobserved
from pytest_isolation.judge.judge import judge_records, suite_ids
from pytest_isolation.policy.policy import Policy
from pytest_isolation.records.record import Record
from pytest_isolation.report.html import render_html
from pytest_isolation.report.spans import to_text
from pytest_isolation.report.terminal import draw
from pytest_isolation.results.limits import AREA, HEADINGS, figures_of, table_rows
from pytest_isolation.results.model import RESULTS, Results, dump_results, parse_results

MIB = 1 << 20
SET_BY = "docker … --cpus 0.5"


def load(limit: float, **measured: Any) -> Load:
    gone: Any = unobserved("this load does not measure it")
    known = {"shown": None, "after": None, "inside": limit, "host_cpus": 2, "ended": "exit 0"}
    words = {"refused": "", "warning": "", "set_by": SET_BY}
    return Load.model_validate({**dict.fromkeys(Load.model_fields, gone), **known, **words, "limit": limit, **measured})


def record(**loads: Load) -> Record:
    return blank().model_copy(update={"loads": Loads(dict(loads))})


def results(**loads: Load) -> Results:
    return judge_records([record(**loads)], Policy())


LOADS = {
    "memory": load(64.0 * MIB, steps_mib=66, ended="signal SIGKILL"),
    "cpu": load(0.5, cpu_us=1_004_000, wall_us=2_000_000, spinners=2),
    "pids": load(32.0, children=30, fork_error="EAGAIN"),
    "files": load(256.0, descriptors=256, open_error="EMFILE"),
}


@pytest.mark.parametrize(
    ("name", "measured", "overshoot", "text"),
    [
        ("memory", 66 * MIB, 3.1, "limit 64MiB, used 66MiB, and the kernel killed the load alone (+3.1 %)"),
        ("cpu", 0.502, 0.4, "quota 0.5 processors, used 0.502 over 2.0 s (+0.4 %)"),
        ("pids", 30, -6.2, "limit 32 tasks, 30 children came up beside the probe (-6.2 %)"),
        ("files", 256, 0.0, "limit 256 open files, opened 256 (+0.0 %)"),
    ],
)
def test_figures_are_those_of_the_load(name: str, measured: float, overshoot: float, text: str) -> None:
    figures = limit_named(name).measured(LOADS[name])

    assert (figures.measured, figures.overshoot, figures.text) == (measured, overshoot, text)
    assert (figures.allotted, figures.inside, figures.set_by) == (LOADS[name].limit, LOADS[name].limit, SET_BY)


def test_a_load_that_measured_nothing_has_no_overshoot() -> None:
    figures = limit_named("cpu").measured(load(0.5))

    assert (figures.measured, figures.overshoot, figures.outside) == (None, None, None)
    assert figures.text == "quota 0.5 processors"


def test_every_limit_has_a_check_of_its_name() -> None:
    assert {AREA + name for name in limit_names()} <= set(suite_ids())


def test_cells_of_results_hold_the_figures_of_the_record() -> None:
    found = parse_results(dump_results(results(**LOADS)), "results.json")

    told = {cell.check: cell.figures for cell in found.cells if cell.figures}
    assert told == figures_of(record(**LOADS))
    assert set(told) == {AREA + name for name in LOADS}


def test_a_refused_limit_is_a_row_with_its_reason_and_without_figures() -> None:
    rows = {row[0]: row for row in table_rows(results(cpu=load(0.5, refused="no cpu controller")))}

    assert rows["lim.cpu"] == ("lim.cpu", "docker", "-", "-", "-", "-", "-", "refused", "no cpu controller")


def test_verbose_report_and_page_show_limits_that_hold() -> None:
    found = results(**LOADS)

    assert "lim.cpu on docker: quota 0.5 processors, used 0.502 over 2.0 s (+0.4 %)" in to_text(draw(found, 200))
    assert "quota 0.5" not in to_text(draw(found, 200, verbosity=0))
    assert '<meter min="0" max="1.5" low="1.1" high="1.25" optimum="0.5" value="1.004">+0.4 %</meter>' in render_html(
        found
    )


def test_the_table_is_printed_from_archived_records(tmp_path: Path) -> None:
    done = isolation("limits", archived(record(**LOADS), tmp_path))

    assert done.returncode == 0, done.stderr
    lines = [line.split("  ") for line in done.stdout.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells[0] == list(HEADINGS)
    assert ["lim.files", "docker", *["256 open files"] * 2, "-", "256 open files", "+0.0 %"] in [
        line[:7] for line in cells
    ]


def test_without_limits_under_load_the_command_says_how_to_measure(tmp_path: Path) -> None:
    (tmp_path / RESULTS).write_bytes(dump_results(Results()))
    done = isolation("limits", tmp_path)

    assert done.returncode == 0
    assert "--isolation-check" in done.stderr
