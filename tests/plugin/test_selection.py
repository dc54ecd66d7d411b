"""
Checks are selected by their ids, what a report prints can be pasted back, and ids that mean something else are refused.

On `self`: no privileges are needed, and seconds.
"""

from __future__ import annotations

import pytest

from pytest_isolation.judge.fact_paths import unknown_fact
from pytest_isolation.judge.judge import suite_checks, suite_ids
from pytest_isolation.policy.verdict import check_of
from pytest_isolation.session.selection import _tests, resolve_arguments
from pytest_isolation.session.suite import SUITE

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")
OWN = """
import pytest
@pytest.mark.isolation({marker})
def test_a(sandbox): pass
"""


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    options = ("-p", "no:cacheprovider", "-p", "no:randomly", "--isolation=container", "--isolation-runtime=self", "-v")
    return pytester.runpytest_subprocess(*options, *args, timeout=600)


@pytest.mark.parametrize(
    "args",
    [
        ("--isolation-check=ns.pid",),
        ("-k", "ns.pid and not procfs and not reap"),
        ("ns.pid",),
        ("namespaces/test_namespaces.py::test_processes_outside_are_invisible[self]",),
        ("test_namespaces.py::test_processes_outside_are_invisible[self]",),
    ],
)
def test_a_check_is_selected_by_its_id_and_by_what_a_report_prints(
    pytester: pytest.Pytester, args: tuple[str, ...]
) -> None:
    result = run(pytester, *args)

    assert sum(result.parseoutcomes().get(name, 0) for name in ("passed", "xfailed", "skipped")) == 1
    result.stdout.fnmatch_lines(["*test_processes_outside_are_invisible?self?*"])


def test_a_glob_selects_own_checks_too(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(OWN.format(marker='"mine.one"'))

    result = run(pytester, "--isolation-check=mine.*", "--isolation-suite", ".")

    result.assert_outcomes(passed=1, deselected=len(suite_ids()))


def test_every_check_of_the_suite_has_an_argument() -> None:
    assert set(_tests()) == set(suite_ids())
    assert resolve_arguments(["lim.memory"], SUITE.parent)[0].endswith("test_limits.py::test_memory_limit_is_in_force")


def test_what_exists_is_not_changed(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_namespaces="")

    arguments = ["test_namespaces.py::test_x", "tests", "none/test_other.py", "test_none.py"]

    assert resolve_arguments(arguments, pytester.path) == arguments


@pytest.mark.parametrize(
    ("marker", "why"),
    [
        ('"ns.pid"', "'ns.pid' is a check of the bundled suite; choose another id"),
        ('severity="high"', "@pytest.mark.isolation needs an id such as 'mine.no_root'"),
        ('"mine.x", shows=["process.namespace"]', "there is no fact 'process.namespace'; did you mean 'namespaces'?"),
    ],
)
def test_a_marker_that_means_something_else_is_refused_before_a_test_runs(
    pytester: pytest.Pytester, marker: str, why: str
) -> None:
    pytester.makepyfile(test_own=OWN.format(marker=marker))

    result = run(pytester, ".")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: test_own.py::test_a: *{why}".replace("[", "?")])


def test_one_id_on_two_tests_is_refused(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_one=OWN.format(marker='"mine.x"'), test_two=OWN.format(marker='"mine.x"'))

    result = run(pytester, ".")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: test_two.py::test_a: 'mine.x' is the id of test_one.py::test_a too;*"])


@pytest.mark.parametrize(
    ("name", "text", "where"),
    [
        ("isolation-expected", "self:\n  ns.piid: {verdict: open, source: a}\n", "*isolation-expected.yaml"),
        (
            "isolation",
            "waivers:\n  - {check: ns.pidd, target: self, reason: r, owner: o, until: 2026-12-31}\n",
            "a waiver",
        ),
    ],
)
def test_a_check_that_there_is_not_is_refused_in_a_users_file(
    pytester: pytest.Pytester, name: str, text: str, where: str
) -> None:
    pytester.makepyfile(OWN.format(marker='"mine.x"'))
    pytester.makefile(".yaml", **{name: text})

    result = run(pytester, ".")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {where} names the check '*', which there is not; did you mean '*'?"])


def test_files_may_name_own_checks_that_are_not_collected_now(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(OWN.format(marker='"mine.one"'))
    waiver = "waivers:\n  - {check: mine.two, target: self, reason: r, owner: o, until: 2026-12-31}\n"
    pytester.makefile(
        ".yaml", **{"isolation": waiver, "isolation-expected": "self:\n  mine.on: {verdict: open, source: a}\n"}
    )

    assert run(pytester, ".").ret == 0


def test_an_unknown_check_of_the_option_names_the_nearest_one(pytester: pytest.Pytester) -> None:
    result = run(pytester, "--isolation-check=lim.memroy")

    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--isolation-check: there is no check 'lim.memroy'; did you mean 'lim.memory'?*"])


def test_the_line_of_a_day_that_there_is_not_is_right(pytester: pytest.Pytester) -> None:
    waiver = "waivers:\n  - check: ns.pid\n    target: self\n    reason: r\n    owner: o\n    until: 2026-02-30\n"
    pytester.makefile(".yaml", isolation=waiver)

    result = run(pytester)

    result.stderr.fnmatch_lines(["*isolation.yaml:6: '2026-02-30' cannot be read: day is out of range for month*"])


def test_all_facts_that_the_suite_shows_exist() -> None:
    wrong = [why for function in suite_checks() for path in check_of(function).shows if (why := unknown_fact(path))]

    assert wrong == []


@pytest.mark.parametrize("path", ["system.tries[x.y]", "exec.process.lsm", "loads.memory", "process.mounts", "uid"])
def test_paths_that_may_name_a_fact_pass(path: str) -> None:
    assert unknown_fact(path) == ""


def test_an_own_test_fails_as_any_pytest_test_with_our_lines_below(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        test_own="""
        def test_sum(sandbox):
            numbers = [1, 2]
            assert sum(numbers) == 4

        def test_key(sandbox):
            {}["missing"]

        def test_program(sandbox):
            sandbox.run("/no/such/program")

        def test_factory(sandbox_factory):
            sandbox_factory(memory="1 parsec")
        """
    )

    result = run(pytester, ".")

    result.stdout.fnmatch_lines(
        [
            ">       assert sum(numbers) == 4",
            "E       assert 3 == 4",
            "test_own.py:3: AssertionError",
            "*- isolation -*",
            "claim:     test_own.py::test_sum: test sum",
            ">       {}*missing*",
            "E       KeyError: 'missing'",
            "test_own.py::test_key on self is unknown: KeyError*",
            ">       sandbox.run(?/no/such/program?)",
            "E       *NotStarted: cannot execute /no/such/program*",
            "test_own.py:9: NotStarted",
            "E       *cannot limit memory to '1 parsec'*",
            "test_own.py:12: IsolationError",
        ]
    )
    assert not any(name in result.stdout.str() for name in ("acting.py", "further.py", "fixtures.py"))
