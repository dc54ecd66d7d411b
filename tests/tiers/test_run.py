"""How lanes are run: what fails is run once more, and only what failed."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tiers.host import HostState
from tiers.lanes import Lane
from tiers.report import Result
from tiers.run import Runner

# in tox's place: notes its arguments, writes what failed as pytest does, and fails as often as a file says
FAKE = """
import sys
from pathlib import Path
work, name = Path(sys.argv[1]), sys.argv[3]
with (work / "calls").open("a") as calls:
    print(name, "--lf" in sys.argv, file=calls)
cache = work / "last-failed" / name / "v" / "cache"
cache.mkdir(parents=True, exist_ok=True)
noted = work / f"noted-{name}"
(cache / "lastfailed").write_text(noted.read_text() if noted.exists() else '{"tests/unit/test_a.py::test_b": true}')
left = work / f"failures-{name}"
failures = int(left.read_text()) if left.exists() else 0
left.write_text(str(max(failures - 1, 0)))
print("E   it is broken" if failures else "all is well")
broken = work / f"status-{name}"
sys.exit((int(broken.read_text()) if broken.exists() else 1) if failures else 0)
"""
UNIT, LINT = Lane("unit", "quick", 9), Lane("lint", "quick", 9, again=False)
HOST, ROOTLESS = Lane("host", "push", 9, alone=True, again=False), Lane("container-rootless", "full", 9, whole=True)


def run(work: Path, lanes: list[Lane], failures: dict[str, int], arguments: Sequence[str] = ()) -> list[Result]:
    for name, count in failures.items():
        (work / f"failures-{name}").write_text(str(count))
    return Runner(lanes, arguments, work, (sys.executable, "-c", FAKE, str(work)), look=unchanged).run()


def unchanged() -> HostState:
    return HostState({"mount /sys": "rw"})


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


def test_what_compares_the_machine_has_no_second_try(tmp_path: Path) -> None:
    (result,) = run(tmp_path, [HOST], {"host": 1})

    assert result.state == "failed"


@pytest.mark.parametrize(
    "failed",
    [
        "tests/unit/test_a.py",  # it could not be collected
        "tests/e2e/session/test_judged_again_live.py::test_the_archive_gives_the_same_cells",
        "tests/e2e/machine/test_lab_live.py::test_what_it_broke_is_whole_again[debian12]",
    ],
)
def test_what_rests_on_other_tests_is_run_again_with_them(tmp_path: Path, failed: str) -> None:
    (tmp_path / "noted-unit").write_text(json.dumps({failed: True, "tests/unit/test_a.py::test_b": True}))

    run(tmp_path, [UNIT], {"unit": 1})

    assert calls(tmp_path) == ["unit False", "unit False"]


def test_a_try_that_broke_off_is_run_again_as_a_whole(tmp_path: Path) -> None:
    (tmp_path / "status-unit").write_text("3")

    run(tmp_path, [UNIT], {"unit": 1})

    assert calls(tmp_path) == ["unit False", "unit False"]


def test_with_arguments_of_the_user_all_is_run_again(tmp_path: Path) -> None:
    run(tmp_path, [UNIT], {"unit": 1}, ["-x"])

    assert calls(tmp_path) == ["unit False", "unit False"]


def test_what_a_lane_leaves_behind_does_not_hold_up_the_run(tmp_path: Path) -> None:
    code = "import subprocess; print(subprocess.Popen(['sleep', '3600']).pid)"
    Runner([LINT, UNIT], (), tmp_path, (sys.executable, "-c", code), unchanged).run()

    for log in (tmp_path / "logs").iterdir():
        os.kill(int(log.read_text().split()[0]), signal.SIGKILL)  # it is still there: the run has not waited for it


@pytest.mark.parametrize("state", ["ro", "rw"])
def test_a_lane_that_changed_the_machine_is_named(tmp_path: Path, state: str) -> None:
    def look() -> HostState:
        """The machine as it is after the first lane."""
        ran = (tmp_path / "calls").exists() and "unit" in (tmp_path / "calls").read_text()
        return HostState({"mount /sys": state if ran else "rw"})

    runner = Runner([UNIT, HOST], (), tmp_path, (sys.executable, "-c", FAKE, str(tmp_path)), look, pause=0.0)
    runner.run()

    told = ["lane unit changed the host: mount /sys was rw, is ro"] if state == "ro" else []
    assert runner.changed == told


def test_what_a_run_beside_has_for_a_while_is_no_change(tmp_path: Path) -> None:
    looks = iter(range(1000))

    def look() -> HostState:
        """The machine: another run has a sandbox at each look, but not for long the same one."""
        return HostState({f"cgroup /sys/fs/cgroup/isolation-{next(looks) // 8}": "present"})

    runner = Runner([UNIT], (), tmp_path, (sys.executable, "-c", FAKE, str(tmp_path)), look, pause=0.0)
    runner.run()

    assert runner.changed == []
