"""Settings, marks and plugins that drop or blunt tests: the suite is run whole, or the run says what is missing.

The target is `self`: no privileges, no sandbox.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from blunting import BLUNTINGS, Blunting
from isolation_session import ARGS

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")

SUITE = ("--isolation=container", "--isolation-runtime=self", "--isolation-report=report", "-n0")
OWN = "def test_own(): pass\n"


def run_suite(pytester: pytest.Pytester, *args: str) -> tuple[int, str, dict[str, Any]]:
    """Run the suite; return exit status, output, and results.json."""
    done = pytester.runpytest_subprocess(*ARGS, *SUITE, *args, timeout=600)
    report = pytester.path / "report" / "results.json"
    return int(done.ret), done.stdout.str(), json.loads(report.read_text()) if report.exists() else {}


def verdicts(results: dict[str, Any]) -> dict[str, str]:
    return {cell["check"]: cell["verdict"] for cell in results["cells"]}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The verdicts of an undisturbed run, by check."""
    return {}


@pytest.fixture
def expected(whole: dict[str, str], pytester: pytest.Pytester) -> dict[str, str]:
    if not whole:
        whole.update(verdicts(run_suite(pytester)[2]))
        assert len(whole) > 100
    return whole


ALONE = [one for one in BLUNTINGS if not (one.ini and one.outcome == "whole")]  # the others are tried at once


@pytest.mark.parametrize("blunting", ALONE, ids=lambda blunting: blunting.name)
def test_no_check_is_lost_silently(
    pytester: pytest.Pytester, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch, blunting: Blunting
) -> None:
    pytester.makeini(f"[pytest]\n{blunting.ini}\n")
    pytester.mkdir("own").joinpath("test_own.py").write_text(OWN)
    pytester.makepyfile(drops=blunting.plugin)
    for name, value in blunting.env.items():
        monkeypatch.setenv(name, value)

    status, text, results = run_suite(pytester, *(("-p", "drops") if blunting.plugin else ()), *blunting.args)

    if blunting.outcome == "whole":
        assert verdicts(results) == expected, text
        assert (results["run"].get("not_judged", []), status) == ([], 0), text
    elif blunting.outcome == "refused":
        assert (status, results) == (4, {}), text
    elif "--pyargs" in blunting.args:  # the bundled checks were not asked for
        assert 0 < len(results["cells"]) < len(expected)
    else:
        reason = "the command line selects tests" if blunting.outcome == "chosen" else "a setting, a conftest.py or"
        assert re.search(rf"not judged: \d+ of \d+ checks on self \(.*\): {reason}", text), text
        assert results.get("run", {}).get("not_judged", ["none"])
        assert (status == 0) is (blunting.outcome == "chosen"), text


def test_all_settings_at_once_blunt_no_check(pytester: pytest.Pytester, expected: dict[str, str]) -> None:
    whole = [one.ini.split(" = ") for one in BLUNTINGS if one.ini and one.outcome == "whole"]
    lines = {key: " ".join(value for other, value in whole if other == key) for key, _ in whole}
    pytester.makeini("\n".join(["[pytest]", *(f"{key} = {value}" for key, value in lines.items()), ""]))

    status, text, results = run_suite(pytester)

    assert (verdicts(results), status) == (expected, 0), text


def test_a_mark_of_a_hook_excuses_no_finding(pytester: pytest.Pytester, expected: dict[str, str]) -> None:
    pytester.makeconftest(
        "import pytest\n\ndef pytest_collection_modifyitems(items):\n"
        "    for item in items: item.add_marker(pytest.mark.xfail)\n"
    )
    plain = run_suite(pytester, "--isolation-profile=restricted@1", "-p", "no:conftest", "--noconftest")

    status, text, results = run_suite(pytester, "--isolation-profile=restricted@1")

    assert status == plain[0] == 1, text
    assert verdicts(results) == expected
    assert [cell["judgement"] for cell in results["cells"]] == [cell["judgement"] for cell in plain[2]["cells"]]


def test_a_repeated_check_keeps_its_id(pytester: pytest.Pytester, expected: dict[str, str]) -> None:
    pytester.makepyfile(
        repeats="def pytest_generate_tests(metafunc):\n"
        "    metafunc.fixturenames.append('step')\n    metafunc.parametrize('step', [0, 1])\n"
    )

    _, text, results = run_suite(pytester, "-p", "repeats", "-k", "test_a_filter_is_active")

    assert verdicts(results).items() <= expected.items()
    assert len(results["cells"]) == 1
    assert " 2 xfailed in " in text
