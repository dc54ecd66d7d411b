"""
The examples of README.md and of docs/how-to/limits.md are green, and documented exceptions apply by a marker.

On `unshare` and what else this host has without a daemon.
"""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from pathlib import Path

import pytest
from fakes import USER_NAMESPACES

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text("utf-8")
LIMITS = (ROOT / "docs/how-to/limits.md").read_text("utf-8")
STOCK = [name for name in ("bwrap", "runc", "crun") if shutil.which(name) and os.geteuid() == 0]
MARKED = """
import pytest
from pytest_isolation.policy.raised import Open

@pytest.mark.isolation_documented({marker})
def test_marked(sandbox):
    assert {claim}
"""


def run(pytester: pytest.Pytester, targets: str) -> pytest.RunResult:
    options = ("-p", "no:cacheprovider", "--isolation=container", f"--isolation-runtime={targets}", "-v")
    return pytester.runpytest_subprocess(*options, ".", timeout=600)


@pytest.mark.skipif(not USER_NAMESPACES, reason="this host allows no user namespaces: sysctl user.max_user_namespaces")
def test_the_first_example_is_green_on_stock_runtimes(pytester: pytest.Pytester) -> None:
    example = re.search(r"^    # test_mine\.py\n(.*?)^\S", README, re.MULTILINE | re.DOTALL)
    assert example is not None
    pytester.makepyfile(test_mine=textwrap.dedent(example[1]))

    result = run(pytester, ",".join(["unshare", *STOCK]))

    assert result.ret == 0, result.stdout.str()
    assert result.parseoutcomes()["passed"] >= 3


@pytest.mark.skipif(not STOCK, reason="sets limits: needs root, and runc, crun or bwrap")
def test_the_example_of_limits_is_green_on_stock_runtimes(pytester: pytest.Pytester) -> None:
    example = re.search(r"^    # test_limits\.py\n(.*?)^    pytest ", LIMITS, re.MULTILINE | re.DOTALL)
    assert example is not None
    pytester.makepyfile(test_limits=textwrap.dedent(example[1]))

    result = run(pytester, ",".join(name for name in STOCK if name != "crun"))

    result.assert_outcomes(passed=3 * len([name for name in STOCK if name != "crun"]))


@pytest.mark.parametrize(
    ("marker", "claim", "outcome"),
    [
        ('"nnp.set"', "sandbox.process.no_new_privs", "xfailed"),
        ('"nnp.set"', "not sandbox.process.no_new_privs", "passed"),
        ('"ns.pid"', "sandbox.process.no_new_privs", "failed"),  # the wall of ns.pid holds: nothing is documented
        ('"nnp.set"', "sandbox.exec.process.pid", "failed"),  # it could not be observed
    ],
)
@pytest.mark.skipif(not USER_NAMESPACES, reason="this host allows no user namespaces: sysctl user.max_user_namespaces")
def test_documented_exceptions_of_a_bundled_check_apply_by_a_marker(
    pytester: pytest.Pytester, marker: str, claim: str, outcome: str
) -> None:
    pytester.makepyfile(test_own=MARKED.format(marker=marker, claim=claim))

    result = run(pytester, "unshare")

    result.assert_outcomes(**{outcome: 1})
    if outcome == "xfailed":
        result.stdout.fnmatch_lines(["*as nnp.set: unshare(1) sets no no_new_privs*"])


@pytest.mark.parametrize(
    ("marker", "why"),
    [
        ('"nnp.sett"', "there is no bundled check 'nnp.sett'; did you mean 'nnp.set'?"),
        ("", "takes the id of one bundled check"),
    ],
)
def test_a_marker_without_such_a_check_is_refused(pytester: pytest.Pytester, marker: str, why: str) -> None:
    pytester.makepyfile(test_own=MARKED.format(marker=marker, claim="True"))

    result = run(pytester, "self")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: test_own.py::test_marked: *{why}"])
