"""A test that ends its process: it fails, the others run, and no line says that there are no findings.

The target is `self`: no privileges, no sandbox.
"""

from __future__ import annotations

import json

import pytest
from fakes import USER_NAMESPACES
from isolation_session import ARGS

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")

SESSION = ("--isolation=container", "--isolation-runtime=self", "--isolation-report=report")
TESTS = """
import os, signal
def test_before(sandbox): pass
def test_dies(sandbox): {}
def test_after(sandbox): pass
"""
ACTS = """
def test_acts(sandbox): sandbox.run("/probe", "facts", "mine")
def test_loads(sandbox): sandbox.load("memory")
def test_makes(sandbox_factory): sandbox_factory()
"""


@pytest.mark.parametrize(
    ("args", "end", "judged"),
    [
        (("-n2",), "os._exit(0)", {"before", "after"}),
        (("-n2",), "os.kill(os.getpid(), signal.SIGKILL)", {"before", "after"}),
        (("-n1", "--max-worker-restart=0"), "os._exit(0)", {"before"}),
        (("-n2", "--dist=load"), "os._exit(3)", {"before", "after"}),
    ],
)
def test_a_worker_that_dies_is_one_failed_test(
    pytester: pytest.Pytester, args: tuple[str, ...], end: str, judged: set[str]
) -> None:
    pytester.makepyfile(test_own=TESTS.format(end))

    done = pytester.runpytest_subprocess(*ARGS, *SESSION, *args, "test_own.py", timeout=600)

    text = done.stdout.str()
    assert done.ret == pytest.ExitCode.TESTS_FAILED, text
    done.assert_outcomes(failed=1, passed=len(judged))
    results = json.loads((pytester.path / "report" / "results.json").read_text())
    assert {cell["check"].partition("::test_")[2] for cell in results["cells"]} == judged
    assert f"not judged: {3 - len(judged)} of 3 tests (test_own.py::test_" in text
    assert "test_dies[self]" in results["run"]["not_judged"][0]
    assert "a test ended the process that ran it" in text
    assert "No findings. " not in text
    assert "INTERNALERROR" not in text + done.stderr.str()


@pytest.mark.skipif(
    not USER_NAMESPACES, reason="this user may not make a user namespace: sysctl user.max_user_namespaces"
)
def test_a_forked_test_acts_on_no_sandbox_and_does_not_hang(pytester: pytest.Pytester) -> None:
    """Each test of the user runs in a process of its own; pytest-forked 1.7 fails all of them with pytest 9.2."""
    pytest.importorskip("pytest_forked", reason="pytest-forked is not installed: pip install '.[test]'")
    pytester.makepyfile(test_own=TESTS.format("os._exit(0)") + ACTS)
    session = (*SESSION, "--isolation-runtime=unshare", "--forked")

    done = pytester.runpytest_subprocess(*ARGS, *session, "test_own.py", timeout=600)

    text = done.stdout.str()
    assert done.ret == pytest.ExitCode.TESTS_FAILED, text
    assert "test_own.py::test_dies[unshare]" in text.split("not judged: ")[1].split("\n")[0]
    assert "No findings. " not in text
    if "passed" in text:  # it can send its reports
        assert text.count("cannot act on sandboxes from a forked process") >= 3


def test_without_pytests_terminal_the_report_is_written(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=TESTS.format("assert False"))

    done = pytester.runpytest_subprocess(*ARGS, *SESSION, "-p", "no:terminal", "test_own.py", timeout=600)

    assert done.ret == pytest.ExitCode.TESTS_FAILED
    assert "INTERNALERROR" not in done.stdout.str() + done.stderr.str()
    assert len(json.loads((pytester.path / "report" / "results.json").read_text())["cells"]) == 3
