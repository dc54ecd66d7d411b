"""A session's notes on known flaws: shown, beside the finding too, and nothing follows from them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")

ARGS = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:testinfra", "--isolation-profile=baseline@1")
# every kernel is in this flaw's range, and its sign is what the test below sees
KNOWN = """\
- id: CVE-0000-0001
  component: kernel
  title: it was open
  affected: [">=0"]
  checks: [own.wall, own.other]
  sign: that it is open
  source: the advisory
  read: this test
"""
CONFTEST = """
from pathlib import Path
from pytest_isolation.results import known
from pytest_isolation.results import notes

notes.bundled = lambda: known.load_known(Path(__file__).with_name("known.yaml"))
"""
CHECK = """
import pytest

@pytest.mark.isolation("own.wall", severity="high", profile="baseline")
def test_wall(sandbox):
    "It is closed."
    assert {closed}, "somebody opened it"
"""
NOTE = "in the range of CVE-0000-0001 (every version); signs: own.wall {}, own.other did not run"


def run(pytester: pytest.Pytester, closed: bool, known: bool, *args: str) -> pytest.RunResult:
    pytester.makepyfile(test_own=CHECK.format(closed=closed))
    if known:
        pytester.makeconftest(CONFTEST)
        (pytester.path / "known.yaml").write_text(KNOWN)
    return pytester.runpytest_subprocess(
        *ARGS,
        "--isolation=container",
        "--isolation-runtime=self",
        "--isolation-report=report",
        "-v",
        "test_own.py",
        *args,
    )


@pytest.mark.parametrize(("closed", "told"), [(True, "holds here"), (False, "is OPEN here")])
def test_a_note_says_what_the_sign_says_and_the_exit_status_is_the_checks(
    pytester: pytest.Pytester, closed: bool, told: str
) -> None:
    without = run(pytester, closed, known=False)
    with_note = run(pytester, closed, known=True)

    assert with_note.ret == without.ret == (pytest.ExitCode.OK if closed else pytest.ExitCode.TESTS_FAILED)
    assert "CVE-0000-0001" not in without.stdout.str()
    with_note.stdout.fnmatch_lines(
        ["Known flaws by version: notes, no verdicts*", f"  kernel * (self): {NOTE.format(told)}*"]
    )


@pytest.mark.parametrize("args", [(), ("-n1",)], ids=["alone", "in a worker"])
def test_a_finding_names_the_flaw_and_the_results_hold_the_note(
    pytester: pytest.Pytester, args: tuple[str, ...]
) -> None:
    result = run(pytester, False, True, *args)

    result.stdout.fnmatch_lines(["known:     CVE-0000-0001, it was open: kernel * is in its range (every version)*"])
    document = json.loads(Path(pytester.path / "report/results.json").read_text())
    (note,) = document["notes"]
    assert {"target": "self", "known": "CVE-0000-0001", "component": "kernel"}.items() <= note.items()
    assert "CVE-0000-0001" in (pytester.path / "report/index.html").read_text()


def test_a_check_that_holds_names_no_flaw(pytester: pytest.Pytester) -> None:
    assert "known:" not in run(pytester, True, True).stdout.str()
