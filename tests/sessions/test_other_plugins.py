"""Plugins that repeat, reorder, rerun and fork tests, each the real one: no check changes its id.

The target is `self`: no privileges, no sandbox.
"""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_isolation.judge.judge import suite_ids

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")

PLUGINS = ("pytest_forked", "pytest_randomly", "pytest_repeat", "pytest_rerunfailures", "pytest_timeout", "xdist")
SESSION = ("-p", "no:cacheprovider", "-p", "no:testinfra", "--isolation=container", "--isolation-runtime=self")

OWN = """
import pytest

@pytest.mark.isolation("my.port")
@pytest.mark.parametrize("port", [22, 80])
def test_port(sandbox, port): pass

@pytest.mark.isolation("my.name")
@pytest.mark.parametrize("name", ["self", "a::b", "1-2"])
def test_name(sandbox, name): pass

def test_plain(sandbox): pass
"""
OWN_IDS = {"my.port[22]", "my.port[80]", "my.name[self]", "my.name[a::b]", "my.name[1-2]", "test_own.py::test_plain"}

FLAKY = """
from pathlib import Path

def test_flaky(sandbox):
    seen = Path("seen")
    seen.write_text(seen.read_text() + "x" if seen.exists() else "x")
    assert len(seen.read_text()) {}
"""


def run(pytester: pytest.Pytester, *args: str) -> tuple[pytest.RunResult, dict[str, Any]]:
    for name in PLUGINS:
        pytest.importorskip(name, reason=f"{name} is not installed: pip install '.[test]'")
    done = pytester.runpytest_subprocess(*SESSION, "--isolation-report=report", *args, timeout=600)
    return done, json.loads((pytester.path / "report" / "results.json").read_text())


def verdicts(results: dict[str, Any]) -> dict[str, str]:
    return {cell["check"]: cell["verdict"] for cell in results["cells"]}


@pytest.mark.parametrize(
    "args",
    [
        ("--randomly-seed=7", "--count=2"),
        ("--randomly-seed=8", "--count=2", "-n2"),
        ("--reruns=1", "--timeout=600", "-p", "no:randomly", "--forked"),  # fewer tests fork than are asked to
    ],
    ids=" ".join,
)
def test_the_suite_has_its_cells_and_no_other(pytester: pytest.Pytester, args: tuple[str, ...]) -> None:
    done, results = run(pytester, *args)

    assert done.ret == 0, done.stdout.str()
    assert sorted(cell["check"] for cell in results["cells"]) == sorted(suite_ids())
    assert results["run"].get("not_judged", []) == []


@pytest.mark.parametrize(
    "args",
    [("--randomly-seed=7", "--count=3"), ("--count=2", "-n2"), ("--count=2", "-n2", "--dist=loadgroup")],
    ids=" ".join,
)
def test_own_checks_keep_their_ids(pytester: pytest.Pytester, args: tuple[str, ...]) -> None:
    pytester.makepyfile(test_own=OWN)

    done, results = run(pytester, *args, "test_own.py")

    assert set(verdicts(results)) == OWN_IDS
    assert "6 hold" in done.stdout.str()


@pytest.mark.parametrize(
    ("args", "condition", "expected"),
    [
        (("--count=3", "-p", "no:randomly"), "!= 2", "open"),  # a finding of one time is a finding
        (("--reruns=2",), "== 2", "holds"),  # a failure that the user lets be tried again is none
        (("--reruns=1",), "== 0", "open"),
        (("--count=2", "--reruns=1", "-p", "no:randomly"), "> 2", "open"),
    ],
)
def test_a_repeated_check_has_its_worst_verdict(
    pytester: pytest.Pytester, args: tuple[str, ...], condition: str, expected: str
) -> None:
    pytester.makepyfile(test_flaky=FLAKY.format(condition))

    _, results = run(pytester, *args, "test_flaky.py")

    assert verdicts(results) == {"test_flaky.py::test_flaky": expected}
