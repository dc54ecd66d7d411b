"""pytest_isolation.policy.isolation_file: a project's targets and waivers, in isolation.yaml and pyproject.toml."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from pytest_isolation.policy.isolation_file import load_isolation_file

TODAY = date(2026, 11, 23)


def waiver_file(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "isolation.yaml"
    path.write_text(text)
    return path


GOOD = "waivers:\n- check: ns.pid\n  target: docker*\n  reason: moves soon\n  owner: ops\n  until: 2027-03-01\n"


def test_waivers_are_read(tmp_path: Path) -> None:
    (waiver,) = load_isolation_file(waiver_file(tmp_path, GOOD), None, TODAY).waivers

    assert waiver.name == "ns.pid on docker* until 2027-03-01"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  reason: moves soon\n", "", ":2: missing key 'reason'"),
        ("  until: 2027-03-01\n", "", ":2: missing key 'until'"),
        ("2027-03-01", "2028-03-01", "lasts more than a year; choose a day within a year"),
        ("2027-03-01", "soon", ":6: waivers.0.until: should be a valid date"),
        ("reason: moves", "reasn: moves", ":4: unknown key 'reasn' (and 1 more); did you mean 'reason'?"),
    ],
)
def test_wrong_waiver_is_refused(tmp_path: Path, old: str, new: str, message: str) -> None:
    with pytest.raises(IsolationError) as caught:
        load_isolation_file(waiver_file(tmp_path, GOOD.replace(old, new)), None, TODAY)

    assert message in str(caught.value)


TARGETS = "targets:\n  web: {run: docker run me/app}\n  agent:\n    run: srt -- {probe}\n"
TABLE = '[tool.pytest-isolation.targets]\njail.run = "bwrap --ro-bind / / -- {probe}"\n'


def test_targets_are_read_from_both_files(tmp_path: Path) -> None:
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(TABLE)

    file = load_isolation_file(waiver_file(tmp_path, TARGETS), pyproject, TODAY)

    assert {name: one.run for name, one in file.targets.items()} == {
        "web": "docker run me/app",
        "agent": "srt -- {probe}",
        "jail": "bwrap --ro-bind / / -- {probe}",
    }


def test_without_a_table_or_file_there_is_nothing(tmp_path: Path) -> None:
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text("[tool.ruff]\n")

    assert load_isolation_file(None, pyproject, TODAY) == load_isolation_file(None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TARGETS.replace("run: docker", "rum: docker"), ":2: unknown key 'rum'; did you mean 'run'?"),
        (TARGETS.replace("targets", "target"), ":1: unknown key 'target'; did you mean 'targets'?"),
        (TARGETS.replace("agent", "a b"), ":3: the key 'a b' is not allowed"),
        (TARGETS.replace("run: srt -- {probe}", "{}"), ":3: targets.agent: should have one of these keys: run, image"),
        (
            TARGETS.replace("{run: docker run me/app}", "{run: a, image: b}"),
            ":2: targets.web: should have one of these",
        ),
        (TARGETS.replace("srt -- {probe}", "7"), ":4: targets.agent.run: should be a valid string, not 7"),
    ],
)
def test_a_wrong_target_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(IsolationError) as caught:
        load_isolation_file(waiver_file(tmp_path, text), None, TODAY)

    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (TABLE.replace("run", "rum"), "[tool.pytest-isolation]: targets.jail: unknown key 'rum'; did you mean 'run'?"),
        (TABLE.replace("targets", "target"), "[tool.pytest-isolation]: unknown key 'target'; did you mean 'targets'?"),
        (TABLE.replace("pytest-", "pytest_"), "[tool.pytest_isolation]; did you mean [tool.pytest-isolation]?"),
        (TABLE.replace('"bwrap', "bwrap"), "not TOML: "),
        (TABLE.replace("jail", "web"), "the target 'web' stands in "),
    ],
)
def test_a_wrong_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_text(text)

    with pytest.raises(IsolationError) as caught:
        load_isolation_file(waiver_file(tmp_path, TARGETS), pyproject, TODAY)

    assert message in str(caught.value)
    assert "pyproject.toml" in str(caught.value)
