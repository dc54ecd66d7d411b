"""How lanes are run: what fails is run once more, and only what failed."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tiers.lanes import Lane
from tiers.report import Result
from tiers.run import Runner

# in tox's place: notes its arguments, makes the cache that pytest would, and fails as often as a file says
FAKE = """
import sys
from pathlib import Path
work, name = Path(sys.argv[1]), sys.argv[3]
with (work / "calls").open("a") as calls:
    print(name, "--lf" in sys.argv, file=calls)
(work / "last-failed" / name).mkdir(parents=True, exist_ok=True)
left = work / f"failures-{name}"
failures = int(left.read_text()) if left.exists() else 0
left.write_text(str(max(failures - 1, 0)))
print("E   it is broken" if failures else "all is well")
sys.exit(bool(failures))
"""
UNIT, LINT = Lane("unit", "quick", 9), Lane("lint", "quick", 9, again=False)
HOST, ROOTLESS = Lane("host", "push", 9, alone=True), Lane("container-rootless", "full", 9, whole=True)


def run(work: Path, lanes: list[Lane], failures: dict[str, int]) -> list[Result]:
    for name, count in failures.items():
        (work / f"failures-{name}").write_text(str(count))
    return Runner(lanes, ["-x"], work, (sys.executable, "-c", FAKE, str(work))).run()


def calls(work: Path) -> list[str]:
    return (work / "calls").read_text().splitlines()


def test_lanes_that_pass_run_once(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    results = run(tmp_path, [UNIT, HOST], {})

    assert [(one.lane.name, one.state) for one in results] == [("unit", "passed"), ("host", "passed")]
    assert calls(tmp_path) == ["unit False", "host False"]
    assert "all is well" in capfd.readouterr().out


def test_what_failed_is_run_once_more_after_all_others_and_is_flaky_if_it_passes(tmp_path: Path) -> None:
    results = run(tmp_path, [UNIT, HOST], {"unit": 1})

    assert [one.state for one in results] == ["flaky", "passed"]
    assert calls(tmp_path) == ["unit False", "host False", "unit True"]
    assert "it is broken" in results[0].logs[0].read_text()


def test_what_fails_twice_failed(tmp_path: Path) -> None:
    (result,) = run(tmp_path, [UNIT], {"unit": 2})

    assert result.state == "failed"
    assert [log.name for log in result.logs] == ["unit.log", "unit-again.log"]


def test_what_depends_on_the_files_alone_has_no_second_try(tmp_path: Path) -> None:
    (result,) = run(tmp_path, [LINT], {"lint": 1})

    assert result.state == "failed"
    assert calls(tmp_path) == ["lint False"]


def test_a_lane_without_a_cache_is_run_again_as_a_whole(tmp_path: Path) -> None:
    (result,) = run(tmp_path, [ROOTLESS], {"container-rootless": 1})

    assert result.state == "flaky"
    assert calls(tmp_path) == ["container-rootless False", "container-rootless False"]
