"""
`isolation judge` gives the verdicts of the run, cell by cell, wherever the run's settings came from.

On `self`: no privileges are needed, and seconds.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")
OWN = """
import pytest

@pytest.mark.isolation("mine.open")
def test_open(sandbox):
    assert sandbox.inside.process.pid < 0, "it has a pid"

@pytest.mark.isolation("mine.waived", profile="baseline")
def test_waived(sandbox):
    assert sandbox.inside.process.pid < 0, "it has a pid"

@pytest.mark.isolation("mine.documented")
def test_documented(sandbox):
    assert sandbox.inside.process.pid < 0, "it has a pid"
"""
WAIVERS = "waivers:\n  - {{check: {check}, target: self, reason: r, owner: o, until: {until}}}\n"
EXPECTED = "self:\n  mine.documented: {verdict: open, source: own.md}\n"


def files(pytester: pytest.Pytester, name: str) -> None:
    from datetime import UTC, datetime, timedelta

    until = (datetime.now(UTC) + timedelta(days=9)).date().isoformat()
    (pytester.path / f"{name}.yaml").write_text(WAIVERS.format(check="mine.waived", until=until))
    (pytester.path / f"{name}-expected.yaml").write_text(EXPECTED)
    pytester.makepyfile(test_own=OWN)


def session(pytester: pytest.Pytester, *args: str) -> dict[tuple[str, str], tuple[str, str]]:
    options = (
        "-p",
        "no:cacheprovider",
        "--isolation=container",
        "--isolation-runtime=self",
        "--isolation-report=report",
    )
    result = pytester.runpytest_subprocess(*options, *args, timeout=600)
    assert result.ret in (0, 1), result.stdout.str()
    return cells(pytester.path / "report")


def judge(pytester: pytest.Pytester, *args: str) -> dict[tuple[str, str], tuple[str, str]]:
    records = sorted(map(str, (pytester.path / "report/facts").glob("*.json")))
    argv = [sys.executable, "-m", "pytest_isolation", "judge", *records, "--report", "again", *args]
    done = subprocess.run(argv, cwd=pytester.path, capture_output=True, text=True, timeout=600)
    assert done.returncode in (0, 1), done.stderr
    return cells(pytester.path / "again")


def cells(report: Path) -> dict[tuple[str, str], tuple[str, str]]:
    document = json.loads((report / "results.json").read_text())
    return {(one["check"], one["target"]): (one["verdict"], one["judgement"]) for one in document["cells"]}


@pytest.mark.parametrize("source", ["ini", "file", "command line"])
def test_the_settings_travel_with_the_facts(pytester: pytest.Pytester, source: str) -> None:
    files(pytester, "isolation" if source == "file" else "other")
    args = ["--isolation-check=mine.*,ns.pid,cap.*,nnp.*", "--isolation-suite", "test_own.py"]
    if source == "ini":
        pytester.makeini(
            "[pytest]\nisolation_profile = baseline\nisolation_waivers = other.yaml\n"
            "isolation_expected = other-expected.yaml\n"
        )
    else:
        args.append("--isolation-profile=baseline@1")
    if source == "command line":
        args += ["--isolation-waivers=other.yaml", "--isolation-expected=other-expected.yaml"]

    run = session(pytester, *args)
    again = judge(pytester, "--checks", "test_own.py")

    assert run["mine.waived", "self"] == ("open", "waived")
    assert run["mine.documented", "self"] == ("open", "documented")
    assert "finding" in {judgement for _, judgement in run.values()}, "baseline@1 demands more than self has"
    assert again == run


def test_without_the_settings_the_options_alone_decide(pytester: pytest.Pytester) -> None:
    session(pytester, "--isolation-profile=restricted@1", "--isolation-check=ns.pid")

    again = judge(pytester, "--ignore-settings")

    assert len(again) > 100, "every check of the suite"
    assert "finding" not in {judgement for _, judgement in again.values()}


def test_the_files_of_facts_are_named_by_target(pytester: pytest.Pytester) -> None:
    session(pytester, "--isolation-check=ns.pid")
    session(pytester, "--isolation-check=ns.pid")

    (record,) = (pytester.path / "report/facts").glob("*.json")
    assert record.name.startswith("self-")
    assert (pytester.path / "report/facts/policy").exists()


@pytest.mark.parametrize("text", ["", "{", '{"schema": 2}', '{"profile": 1}', '{"waivers": [{}]}'])
def test_settings_that_cannot_be_read_are_one_line(tmp_path: Path, text: str) -> None:
    from provisioner.errors import IsolationError
    from pytest_isolation.policy.archived import PolicyFile, load_policy

    (tmp_path / "policy").write_text(text)
    if not text:
        assert load_policy([tmp_path / "x.json"]) == PolicyFile(), "an empty file has no settings"
        return
    with pytest.raises(IsolationError, match="cannot read 'policy'"):
        load_policy([tmp_path / "x.json"])
