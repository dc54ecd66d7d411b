"""
Sessions with --isolation: usage errors, targets, what is collected.

On `self` and, where user namespaces can be made, on `unshare`: no privileges are needed, and seconds.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from fakes import USER_NAMESPACES
from isolation_session import ARGS, COUNT, TARGETS, nothing_left, run, usage_error

from provisioner.paths import HOME

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")

OWN_TEST = """
import pytest

def test_answers(sandbox):
    assert sandbox.run("/probe" if sandbox.target.id != "self" else "/bin/true", "none").ended in ("exit 64", "exit 0")

def test_plain():
    pass
"""


def run_here(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*ARGS, *args)


# --- what cannot be meant


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (["--isolation=continer"], "--isolation: unknown kind 'continer'; did you mean 'container'?"),
        (["--isolation="], "--isolation needs a kind: container, vm"),
        (["--isolation=container", "--isolation-runtime=selff"], "cannot find runtime 'selff'; did you mean 'self'?"),
        (["--isolation=vm", "--isolation-runtime=self"], "'self' makes sandboxes of the kind container"),
        (["--isolation=container", "--isolation-host=locl"], "cannot find machine 'locl'; did you mean 'local'?"),
        (["--isolation=container", "--isolation-profile=baselin@1"], "baseline"),
        (["--isolation=container", "--isolation-max-skip=-1"], "--isolation-max-skip must be 0 or more, not -1"),
        (["--isolation=container", "--isolation-require=selv"], "cannot find runtime 'selv'"),
        (["--isolation=container", "--isolation-waivers=none.yaml"], "none.yaml"),
        (["--isolation=container", "-o", "isolation_timeout_scale=0"], "isolation_timeout_scale must be a number"),
        (["--isolation=container", "--isolation-report=test_own.py"], "exists and is not a folder"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_exit_status_4(
    pytester: pytest.Pytester, home: Path, args: list[str], told: str
) -> None:
    pytester.makepyfile(test_own=OWN_TEST)

    assert told in usage_error(run_here(pytester, *args))
    assert nothing_left(home)


def test_a_named_runtime_that_is_missing_is_one_line_and_exit_status_4(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    line = usage_error(run_here(pytester, "--isolation=container", "--isolation-runtime=podman"))

    assert line.endswith(
        "cannot run 'podman': podman is not installed; apt-get install --no-install-recommends podman runc"
    )


def test_a_required_kind_that_is_missing_is_exit_status_4(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    result = run_here(
        pytester, "--isolation=container,vm", "--isolation-runtime=self", "--isolation-require=vm", "--pyargs", "os"
    )

    assert "--isolation-require: no target of the kind vm" in usage_error(result)


def test_no_target_left_is_exit_status_5_with_reasons(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, home: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    result = run_here(pytester, "--isolation=vm")

    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    assert "no target is left: qemu: qemu-system-x86_64 is not installed (apt-get install" in (
        result.stdout.str() + result.stderr.str()
    )
    assert nothing_left(home)


def test_a_runtime_that_is_not_named_and_missing_is_listed_with_its_mend(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    pytester.makepyfile(test_own=OWN_TEST)

    result = run_here(pytester, "--isolation=container", "--isolation-require=self", "test_own.py")

    assert result.ret == 0
    told = result.stdout.str()
    assert "podman" in told
    assert "apt-get install --no-install-recommends podman runc" in told


# --- collection


def test_collecting_starts_nothing(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    pytester.makepyfile(test_own=OWN_TEST)

    result = run(pytester, "--isolation=container,vm", "--collect-only", "-q", "test_own.py")

    assert result.ret == 0
    assert any(line.startswith("test_own.py::test_answers[") for line in result.outlines)
    assert not (tmp_path / "home").exists()


def test_an_own_test_runs_once_for_each_target(pytester: pytest.Pytester, home: Path) -> None:
    pytester.makepyfile(test_own=OWN_TEST)

    result = run(pytester, "--isolation=container", f"--isolation-runtime={TARGETS}", "test_own.py", "-v")

    result.assert_outcomes(passed=COUNT + 1)
    for target in TARGETS.split(","):
        result.stdout.fnmatch_lines([f"test_own.py::test_answers[[]{target}[]] PASSED*"])
    assert nothing_left(home)


def test_a_bare_run_is_the_bundled_suite_alone(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own="raise SystemExit('this file must not be imported')")

    result = run_here(pytester, "--isolation=container", "--isolation-runtime=self", "--collect-only", "-q")

    assert any("test_namespaces.py::" in line for line in result.outlines)
    assert "test_own" not in result.stdout.str()


def test_paths_are_run_without_the_suite_unless_it_is_asked_for(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN_TEST)
    args = ("--isolation=container", "--isolation-runtime=self", "--collect-only", "-q", "test_own.py")

    alone = run_here(pytester, *args).stdout.str()
    both = run_here(pytester, *args, "--isolation-suite").stdout.str()

    assert "test_own.py::" in alone
    assert "test_namespaces.py::" not in alone
    assert "test_own.py::" in both
    assert "test_namespaces.py::" in both


def test_testpaths_are_run_beside_the_suite(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN_TEST)
    pytester.makeini("[pytest]\ntestpaths = .\n")

    told = run_here(pytester, "--isolation=container", "--isolation-runtime=self", "--collect-only", "-q").stdout.str()

    assert "test_own.py::" in told
    assert "test_namespaces.py::" in told


def test_ini_keys_are_used_and_their_source_is_shown(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN_TEST)
    pytester.makeini("[pytest]\nisolation_runtime = self\n")

    result = run(pytester, "--isolation=container", "--isolation-profile=privileged@1", "test_own.py")

    result.stdout.fnmatch_lines(["isolation: self (policy: *", "isolation: profile from command line"])
    result.stdout.fnmatch_lines(["isolation: runtime from tox.ini"])


# --- what a run allows


def test_more_skipped_than_allowed_fails_the_run(pytester: pytest.Pytester) -> None:
    args = ("--isolation=container", "--isolation-runtime=self", "--pyargs", "pytest_isolation.suite.machine.test_vm")

    result = run(pytester, *args, "--isolation-max-skip=0")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["isolation: 4 cells were skipped, --isolation-max-skip=0 allows no more"])
    assert run(pytester, *args, "--isolation-max-skip=4").ret == 0


@pytest.mark.skipif(not USER_NAMESPACES, reason="needs user namespaces: unshare --user")
def test_a_profile_turns_documented_lacks_into_findings(pytester: pytest.Pytester) -> None:
    seccomp = "pytest_isolation.suite.privileges.test_seccomp"
    args = ("--isolation=container", "--isolation-runtime=unshare", "--pyargs", seccomp)

    assert run(pytester, *args).ret == 0
    assert run(pytester, *args, "--isolation-profile=restricted@1").ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.skipif(not USER_NAMESPACES, reason="needs user namespaces: unshare --user")
def test_a_further_sandbox_lives_for_its_test(pytester: pytest.Pytester, home: Path) -> None:
    pytester.makepyfile(
        test_own="""
        made = []

        def test_two_more(sandbox_factory, sandbox):
            made.extend([sandbox_factory(), sandbox_factory()])
            assert len({one.inside.nonce for one in made} | {sandbox.live.nonce}) == 3

        def test_they_are_gone(sandbox):
            assert not any(one.live._stream for one in made)
            assert sandbox.live.alive
        """
    )

    result = run(pytester, "--isolation=container", "--isolation-runtime=unshare", "test_own.py")

    result.assert_outcomes(passed=2)
    assert nothing_left(home)


@pytest.mark.skipif(not USER_NAMESPACES, reason="this host allows no user namespaces: sysctl user.max_user_namespaces")
@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_the_targets_of_a_project_are_its_columns(pytester: pytest.Pytester, home: Path, workers: str) -> None:
    pytester.makefile(
        ".yaml", isolation="targets:\n  box: {run: 'unshare --user --map-root-user --pid --fork -- {probe}'}\n"
    )
    pytester.makepyprojecttoml("[tool.pytest-isolation.targets]\nbare.run = 'env A=1 {probe}'\n")
    pytester.makepyfile(test_own="def test_it(sandbox):\n    assert sandbox.system.tasks\n")

    result = run(pytester, "--isolation=container", "test_own.py", "-v", workers)

    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines_random(["*test_it?run:box?*PASSED*" if workers == "-n0" else "*PASSED*run:box?*"])
    result.stdout.fnmatch_lines(["isolation: run:box, run:bare (policy: as documented)", "isolation: targets from *"])
    assert nothing_left(home)


@pytest.mark.parametrize(
    ("text", "args", "told"),
    [
        ("targts: {}", ["--isolation=container"], "isolation.yaml:1: unknown key 'targts'; did you mean 'targets'?"),
        ("targets: {web: {run: 'env {probe}'}}", ["--isolation-run=wbe"], "no target 'wbe'; did you mean 'web'?"),
        ("targets: {web: {run: env}}", ["--isolation=container"], "--isolation-run: cannot put the probe into 'env'"),
    ],
)
def test_a_wrong_target_of_a_project_is_one_line(
    pytester: pytest.Pytester, text: str, args: list[str], told: str
) -> None:
    pytester.makefile(".yaml", isolation=f"{text}\n")

    assert told in usage_error(run_here(pytester, *args))
