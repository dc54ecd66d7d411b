"""The mapping of judgements to pytest's outcomes: terminal, JUnit, exit status, xdist and --lf agree.

A stand-in plugin reads verdicts as the real one does and judges by the test's own marker `judged`.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

pytest_plugins = ["pytester"]

STAND_IN = """
import dataclasses
import pytest
from pytest_isolation.session.outcome import apply_judgement, carry_cell, cell_of
from pytest_isolation.policy.verdict import Cell, Judgement, Verdict, check_of, verdict_of

def pytest_configure(config):
    for name in ("isolation(id)", "isolation_active", "judged(name)"):
        config.addinivalue_line("markers", name)

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" or (call.when == "setup" and call.excinfo is not None):
        verdict, reason = verdict_of(call.excinfo)
        judgement = Judgement(item.get_closest_marker("judged").args[0])
        check = check_of(item)
        cell = Cell(check, "docker", verdict, judgement, reason, source="docs", inside=("x = 1",), outside=("x = 2",),
                    remedy=check.remedy, reproduce=check.reproduce)
        carry_cell(item, report, cell)
        apply_judgement(report, cell, item.config.get_verbosity())
    return report

def pytest_terminal_summary(terminalreporter):
    cells = [cell_of(r) for rs in terminalreporter.stats.values() for r in rs if isinstance(r, pytest.TestReport)]
    for cell in sorted((c for c in cells if c), key=lambda c: c.check.id):
        terminalreporter.write_line(f"CELL {cell.check.id} {cell.verdict} {cell.judgement}")
"""

CHECKS = '''
import pytest
from pytest_isolation.policy.raised import Ignored

@pytest.mark.isolation("a.ok")
@pytest.mark.judged("ok")
def test_ok(): pass

@pytest.mark.isolation("a.better")
@pytest.mark.judged("better")
def test_better(): pass

@pytest.mark.isolation("a.documented")
@pytest.mark.judged("documented")
def test_documented():
    assert 1 == 2

@pytest.mark.isolation("a.waived")
@pytest.mark.judged("waived")
def test_waived():
    raise Ignored("not in force")

@pytest.mark.isolation("a.finding", severity="high", remedy="close it", reproduce="readlink /proc/1/ns/pid")
@pytest.mark.judged("finding")
def test_finding():
    """Processes outside are invisible."""
    assert not "\\x1b[31mred", "shares the host's \\x1b[31mnamespace"

@pytest.mark.isolation("a.unknown")
@pytest.mark.judged("finding")
def test_unknown():
    raise ValueError("no such thing")

@pytest.mark.isolation("a.none")
@pytest.mark.judged("none")
def test_not_applicable():
    pytest.skip("a VM has no such file")
'''

EXPECTED = {"passed": 2, "xfailed": 2, "failed": 2, "skipped": 1}


@pytest.fixture
def checks(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.setenv("COLUMNS", "160")
    pytester.makeconftest(STAND_IN)
    pytester.makepyfile(test_checks=CHECKS)
    return pytester


ARGS = ("-p", "no:isolation", "-p", "no:testinfra", "-p", "no:randomly")


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_counts_and_exit_status(checks: pytest.Pytester, workers: tuple[str, ...]) -> None:
    run = checks.runpytest if not workers else checks.runpytest_subprocess
    result = run(*ARGS, *workers)

    result.assert_outcomes(**EXPECTED)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    cells = [line for line in result.outlines if line.startswith("CELL ")]
    assert len(cells) == 7
    assert {"CELL a.finding open finding", "CELL a.waived ignored waived"} < set(cells)


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_finding_is_seven_harmless_lines(checks: pytest.Pytester, workers: tuple[str, ...]) -> None:
    run = checks.runpytest if not workers else checks.runpytest_subprocess
    result = run(*ARGS, *workers, "-k", "finding")

    lines = [
        "claim:     a.finding: Processes outside are invisible",
        "target:    docker: open (high)",
        "inside:    x = 1",
        "outside:   x = 2",
        r"cause:     shares the host's \x1b[31mnamespace",
        "remedy:    close it",
        "reproduce: readlink /proc/1/ns/pid",
    ]
    start = result.outlines.index(lines[0])
    assert lines == result.outlines[start : start + 7]
    assert "E  " not in result.stdout.str()
    result.stdout.fnmatch_lines([r"FAILED *test_finding - a.finding open: shares the host's *x1b*31mnamespace"])


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_verbose_keeps_the_traceback(checks: pytest.Pytester, workers: tuple[str, ...]) -> None:
    run = checks.runpytest if not workers else checks.runpytest_subprocess
    result = run(*ARGS, *workers, "-vv", "-k", "finding")

    result.stdout.fnmatch_lines(["E *shares the host's*", "target:    docker: open (high)"])


def test_unknown_is_one_line(checks: pytest.Pytester) -> None:
    result = checks.runpytest(*ARGS, "-vv", "-k", "unknown")

    result.stdout.fnmatch_lines(["a.unknown on docker is unknown: ValueError: no such thing"])
    assert "raise ValueError" not in result.stdout.str()


def test_reasons_are_shown(checks: pytest.Pytester) -> None:
    result = checks.runpytest(*ARGS, "-rxs")

    result.stdout.fnmatch_lines(["SKIPPED [[]1[]] test_checks.py:*: a VM has no such file"])
    result.stdout.fnmatch_lines(["XFAIL *test_documented - *open, documented: docs"])


@pytest.mark.parametrize("workers", [(), ("-n2",)])
def test_junit_agrees(checks: pytest.Pytester, workers: tuple[str, ...]) -> None:
    run = checks.runpytest if not workers else checks.runpytest_subprocess
    run(*ARGS, *workers, "--junitxml=out.xml")
    suite = ET.parse(checks.path / "out.xml").getroot().find("testsuite")

    assert suite is not None
    assert tuple(suite.attrib[key] for key in ("tests", "failures", "errors", "skipped")) == ("7", "2", "0", "3")
    cases = {case.attrib["name"]: case for case in suite.iter("testcase")}
    messages = [failure.attrib["message"] for failure in cases["test_finding"].iter("failure")]
    assert messages == [r"a.finding open: shares the host's \x1b[31mnamespace"]
    properties = {p.attrib["name"]: p.attrib["value"] for p in cases["test_waived"].iter("property")}
    assert (properties["isolation_verdict"], properties["isolation_judgement"]) == ("ignored", "waived")


def test_last_failed_runs_the_findings_again(checks: pytest.Pytester) -> None:
    checks.runpytest(*ARGS)
    result = checks.runpytest(*ARGS, "--lf")

    result.assert_outcomes(failed=2)


def test_no_finding_gives_exit_status_0(checks: pytest.Pytester) -> None:
    result = checks.runpytest(*ARGS, "-k", "not finding and not unknown")

    result.assert_outcomes(passed=2, xfailed=2, skipped=1, deselected=2)
    assert result.ret == pytest.ExitCode.OK


def test_authors_own_xfail_counts(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(STAND_IN)
    pytester.makepyfile(
        "import pytest\n@pytest.mark.xfail(reason='mine')\n@pytest.mark.judged('finding')\ndef test_a(): assert 0\n"
    )

    pytester.runpytest(*ARGS).assert_outcomes(xfailed=1)
