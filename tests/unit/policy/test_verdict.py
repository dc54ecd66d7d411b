"""pytest_isolation.policy.verdict: from an exception to a verdict, from a marker to a check."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from provisioner.errors import IsolationError, UnobservedFact
from pytest_isolation.policy.verdict import (
    Cell,
    Check,
    Ignored,
    Judgement,
    Refused,
    Verdict,
    check_of,
    verdict_of,
)

pytestmark = pytest.mark.filterwarnings("ignore:Unknown pytest.mark.isolation")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (None, (Verdict.HOLDS, "")),
        (AssertionError("shares the host's"), (Verdict.OPEN, "shares the host's")),
        (AssertionError("shares it\nassert 1 != 1\n  + where"), (Verdict.OPEN, "shares it")),
        (Ignored("pids.max 64, 200 came up"), (Verdict.IGNORED, "pids.max 64, 200 came up")),
        (Refused("no memory cgroup"), (Verdict.REFUSED, "no memory cgroup")),
        (
            UnobservedFact("pid", "EACCES", "readlink"),
            (Verdict.UNKNOWN, "pid could not be observed: readlink (EACCES)"),
        ),
        (IsolationError("cannot x", hint="do y"), (Verdict.UNKNOWN, "cannot x; do y")),
        (ValueError("bad"), (Verdict.UNKNOWN, "ValueError: bad")),
        (KeyError("k"), (Verdict.UNKNOWN, "KeyError: 'k'")),
        (pytest.skip.Exception("a VM has none"), (Verdict.NOT_APPLICABLE, "a VM has none")),
        # pytest-timeout ends a test with pytest.fail: that is no observation of an open wall.
        (pytest.fail.Exception("Timeout >1s"), (Verdict.UNKNOWN, "Failed: Timeout >1s")),
    ],
)
def test_outcome_gives_the_verdict(error: BaseException | None, expected: tuple[Verdict, str]) -> None:
    assert expected == verdict_of(error)


def test_an_error_of_a_check_names_the_line_that_reads_the_fact() -> None:
    ids: list[int] = [0]
    with pytest.raises(IndexError) as error:
        assert ids[1] == 0

    assert verdict_of(error) == (Verdict.UNKNOWN, "IndexError: list index out of range at 'assert ids[1] == 0'")


def test_bare_assertion_gives_its_source_with_and_without_rewriting() -> None:
    inside, outside = 5, 5
    namespace: dict[str, Any] = {}
    exec(compile("def check(a, b):\n    assert a != b\n", "<unrewritten>", "exec"), namespace)
    with pytest.raises(AssertionError) as rewritten:
        assert inside != outside
    with pytest.raises(AssertionError) as plain:
        namespace["check"](5, 5)

    assert verdict_of(rewritten) == (Verdict.OPEN, "not true: inside != outside")
    assert verdict_of(plain) == (Verdict.OPEN, "AssertionError")


def test_reason_is_bounded() -> None:
    assert len(verdict_of(AssertionError("x" * 5000))[1]) == 300


def marked(*args: Any, **kwargs: Any) -> Any:
    def check() -> None:
        """Processes outside are invisible."""

    return pytest.mark.isolation(*args, **kwargs)(check)


def test_marker_gives_the_check() -> None:
    check = check_of(marked("ns.pid", severity="critical", profile={"vm": "privileged"}, refs=["pid_namespaces(7)"]))

    assert (check.id, check.severity, check.title) == ("ns.pid", "critical", "Processes outside are invisible")
    assert (check.level_for("vm"), check.level_for("container")) == ("privileged", "")
    assert check.refs == ("pid_namespaces(7)",)


@pytest.mark.parametrize(
    ("check", "expected"),
    [
        ("ns.pid", False),
        ("my.port[22]", False),
        ("my.path[/a::b]", False),
        ("test_a.py::test_x", True),
        ("a/test_a.py::TestB::test_x[1-c::d]", True),
    ],
)
def test_a_node_id_is_the_id_of_an_own_test(check: str, expected: bool) -> None:
    assert Check(check).is_own is expected


def test_unmarked_test_is_a_check_that_no_profile_requires() -> None:
    def my_own_one() -> None: ...

    check = check_of(my_own_one)

    assert check.id.endswith("::my_own_one")
    assert (check.title, check.severity, check.level_for("vm")) == ("my own one", "medium", "")


@pytest.mark.parametrize(
    ("args", "kwargs", "message"),
    [
        (("ns.pid",), {"severty": "low"}, "unknown key 'severty' in @pytest.mark.isolation; did you mean 'severity'?"),
        (("ns.pid",), {"severity": "hihg"}, "unknown severity 'hihg' in @pytest.mark.isolation; did you mean 'high'?"),
        (("ns.pid",), {"profile": "basline"}, "unknown profile 'basline' .* did you mean 'baseline'?"),
        (("ns.pid",), {"profile": {"mv": "baseline"}}, "unknown kind 'mv' .* did you mean 'vm'?"),
        (("ns.pid",), {"refs": "pid_namespaces(7)"}, "refs of .* must be a list of strings"),
        (("NS PID",), {}, "takes one id such as 'ns.pid', not"),
        (("ns.pid", "ns.net"), {}, "takes one id such as 'ns.pid', not"),
    ],
)
def test_wrong_marker_names_the_test_and_the_nearest(args: Any, kwargs: Any, message: str) -> None:
    with pytest.raises(pytest.UsageError, match=rf"test_verdict::check: .*{message}"):
        check_of(marked(*args, **kwargs))


def test_cell_survives_json() -> None:
    check = Check("ns.pid", profile=(("vm", "baseline"),), refs=("a", "b"), active=True)
    cell = Cell(check, "docker", Verdict.OPEN, Judgement.FINDING, "why", inside=("x = 1",))

    assert cell == Cell.from_dict(json.loads(json.dumps(cell.to_dict())))


def test_import_loads_nothing_heavy() -> None:
    code = (
        "import sys, pytest, pytest_isolation.policy.verdict, pytest_isolation.session.outcome; "
        "print([m for m in ('pydantic', 'ruamel.yaml', 'jinja2', 'typer', 'rich') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout == "[]\n"
