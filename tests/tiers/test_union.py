"""The tiers together run every test of this repository, and what needs no sandbox in one environment only."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tiers.commands import ROOT, commands, named_tests
from tiers.lanes import LANES

PACKAGING = ".pkg"
ALL_PLANTS = "tests/weaknesses/test_live.py"


@pytest.fixture(scope="module")
def environments() -> dict[str, list[str]]:
    return {name: lines for name, lines in commands().items() if name != PACKAGING}


@pytest.fixture(scope="module")
def named(environments: dict[str, list[str]]) -> dict[str, list[str]]:
    return named_tests(environments)


def naming(path: Path, named: dict[str, list[str]]) -> list[str]:
    """Return the environments that run a test file."""
    return [name for name, tests in named.items() if any(path.is_relative_to(ROOT / one) for one in tests)]


def runtimes(lines: list[str]) -> set[str]:
    """Return the roles that an environment's sessions have as targets."""
    words = re.findall(r"--isolation-runtime=(\S+)", " ".join(lines))
    return {re.split(r"[+-]", one)[0] for word in words for one in word.split(",")}


def test_every_environment_is_a_lane(environments: dict[str, list[str]]) -> None:
    assert set(environments) == {lane.name for lane in LANES}


def test_every_path_that_asks_for_a_lane_is_there() -> None:
    assert [path for lane in LANES for path in lane.paths if not (ROOT / path).exists()] == []


def test_every_test_file_is_run_by_a_lane(named: dict[str, list[str]]) -> None:
    files = sorted((ROOT / "tests").rglob("test_*.py"))

    assert len(files) > 100
    assert [path for path in files if not naming(path, named)] == []


def test_every_named_test_is_there(named: dict[str, list[str]]) -> None:
    assert [one for tests in named.values() for one in tests if not (ROOT / one).exists()] == []


def test_every_runtime_meets_all_of_its_plants(environments: dict[str, list[str]]) -> None:
    roles = {path.parent.name for path in ROOT.glob("roles/*/runtime.yaml")}
    full = {lane.name for lane in LANES if lane.tier == "full"}
    met = set().union(*(runtimes(environments[name]) for name in full if ALL_PLANTS in " ".join(environments[name])))

    assert roles - {"self", "machine"} == met


def test_what_needs_no_sandbox_runs_in_one_environment(named: dict[str, list[str]]) -> None:
    assert naming(ROOT / "tests/weaknesses/test_coverage.py", named) == ["unit"]


def test_the_channel_runs_over_a_stream_and_over_a_serial_line(named: dict[str, list[str]]) -> None:
    assert naming(ROOT / "tests/e2e/channel/test_channel_live.py", named) == ["channel", "vm-qemu"]
