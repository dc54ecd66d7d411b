"""Settings, marks and plugins that drop or blunt tests: the suite is run whole, or the run says what is missing.

The target is `self`: no privileges, no sandbox.
"""

from __future__ import annotations

import json
import re
import textwrap
from typing import Any

import pytest
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


@pytest.mark.parametrize(
    "settings",
    [
        """
        python_files = it_*.py
        python_functions = it_*
        python_classes = Nothing
        norecursedirs = * suite kernel privileges
        testpaths = own
        collect_imported_tests = false
        addopts = --ignore-glob=*test_s* --ignore-glob=*suite* --assert=plain
        """,
        """
        addopts = --doctest-modules --import-mode=importlib --runxfail -p no:warnings -p no:logging
        strict = true
        """,
    ],
)
def test_no_setting_drops_or_blunts_a_check(pytester: pytest.Pytester, expected: dict[str, str], settings: str) -> None:
    pytester.makeini(f"[pytest]\n{textwrap.dedent(settings)}\n")
    pytester.mkdir("own").joinpath("test_own.py").write_text(OWN)

    status, text, results = run_suite(pytester)

    assert verdicts(results) == expected
    assert results["run"].get("not_judged", []) == [], text
    assert status == 0, text


@pytest.mark.parametrize("optimize", ["1", "2"])
def test_optimized_bytecode_keeps_the_checks_teeth(
    pytester: pytest.Pytester, expected: dict[str, str], monkeypatch: pytest.MonkeyPatch, optimize: str
) -> None:
    monkeypatch.setenv("PYTHONOPTIMIZE", optimize)

    _, text, results = run_suite(pytester, "--assert=plain")

    assert verdicts(results) == expected, text


@pytest.mark.parametrize(
    ("ini", "plugin"),
    [
        ("addopts = -k ns.", ""),
        ("addopts = -m nothing", ""),
        ("addopts = --setup-only", ""),
        ("addopts = --setup-plan", ""),
        ("usefixtures = skips", "import pytest\n\n@pytest.fixture\ndef skips(): pytest.skip('not here')\n"),
        ("", "def pytest_collection_modifyitems(items): del items[7:]\n"),
        ("", "import pytest\n\ndef pytest_collection_modifyitems(items): items[0].add_marker(pytest.mark.skip)\n"),
        ("", "import pytest\n\ndef pytest_runtest_setup(item): pytest.skip('slow')\n"),
    ],
)
def test_checks_that_are_left_out_are_told_and_the_run_fails(pytester: pytest.Pytester, ini: str, plugin: str) -> None:
    pytester.makeini(f"[pytest]\n{ini}\n")
    pytester.makepyfile(drops=plugin)

    status, text, results = run_suite(pytester, "-p", "drops")

    assert status != 0, text
    assert re.search(
        r"not judged: \d+ of \d+ checks on self \(.*\): a setting, a conftest.py or a plugin left them", text
    )
    if results:
        assert results["run"]["not_judged"]


def test_checks_that_the_command_line_leaves_out_are_told_and_the_run_passes(pytester: pytest.Pytester) -> None:
    status, text, results = run_suite(pytester, "-k", "test_a_filter_is_active")

    assert len(results["cells"]) == 1
    assert "the command line selects tests" in text
    assert status == 0, text


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
