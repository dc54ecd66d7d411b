"""
Sessions with --isolation: usage errors, targets, the suite, workers, the report.

On `self` and, where user namespaces can be made, on `unshare`: no privileges are needed, and seconds.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from fakes import USER_NAMESPACES

from provisioner.paths import HOME
from pytest_isolation.reference.schemas import DIRECTORY

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")

ARGS = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:testinfra")
OWN_TEST = """
import pytest

def test_answers(sandbox):
    assert sandbox.run("/probe" if sandbox.target.id != "self" else "/bin/true", "none").ended in ("exit 64", "exit 0")

def test_plain():
    pass
"""
TARGETS = "self,unshare" if USER_NAMESPACES else "self"
COUNT = len(TARGETS.split(","))


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    """Run a session in a process of its own: threads, signals and the scale of deadlines are the process's."""
    return pytester.runpytest_subprocess(*ARGS, *args, timeout=900)


def run_here(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    return pytester.runpytest_inprocess(*ARGS, *args)


def usage_error(result: pytest.RunResult) -> str:
    """Return the one line of a usage error."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line.strip()]
    assert line.startswith("ERROR: ")
    return line


def nothing_left(home: Path) -> bool:
    """Whether no journal and no run's folder is there."""
    runs = home / "run"
    return not [path for path in runs.rglob("*") if path.name not in ("runs", "accelerator.json")]


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


def test_testpaths_are_run_without_the_suite(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN_TEST)
    pytester.makeini("[pytest]\ntestpaths = .\n")

    told = run_here(pytester, "--isolation=container", "--isolation-runtime=self", "--collect-only", "-q").stdout.str()

    assert "test_own.py::" in told
    assert "test_namespaces.py::" not in told


def test_ini_keys_are_used_and_their_source_is_shown(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(test_own=OWN_TEST)
    pytester.makeini("[pytest]\nisolation_runtime = self\n")

    result = run(pytester, "--isolation=container", "--isolation-profile=privileged@1", "test_own.py")

    result.stdout.fnmatch_lines(["isolation: self (policy: *", "isolation: profile from command line"])
    result.stdout.fnmatch_lines(["isolation: runtime from tox.ini"])


# --- the whole suite


@pytest.fixture(scope="session")
def runs(home: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[int, str, Path]]:
    """The bundled suite over all targets, alone and with two workers: exit status, what was printed, the report."""
    found = {}
    environment = {**os.environ, HOME: str(home), "COLUMNS": "200"}
    environment.pop("PYTEST_ADDOPTS", None)
    for workers in ("-n0", "-n2"):
        folder = tmp_path_factory.mktemp("report")
        argv = [
            *(sys.executable, "-m", "pytest", *ARGS, workers, "-v", "--isolation=container"),
            *(
                f"--isolation-runtime={TARGETS}",
                f"--isolation-report={folder}/report",
            ),
        ]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=900, cwd=folder, env=environment)
        found[workers] = (done.returncode, done.stdout, folder / "report")
    return found


def cells(report: Path) -> dict[tuple[str, str], tuple[str, str]]:
    document: dict[str, Any] = json.loads((report / "results.json").read_text())
    return {(one["check"], one["target"]): (one["verdict"], one["judgement"]) for one in document["cells"]}


def counts(text: str) -> Counter[str]:
    return Counter({word: int(number) for number, word in re.findall(r"(\d+) (\w+)", text.strip().splitlines()[-1])})


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_a_stock_runtime_gives_no_finding(runs: dict[str, tuple[int, str, Path]], workers: str) -> None:
    status, told, _ = runs[workers]

    assert status == 0, told


def test_workers_change_neither_counts_nor_cells(runs: dict[str, tuple[int, str, Path]]) -> None:
    alone, shared = runs["-n0"], runs["-n2"]

    words = ("passed", "failed", "skipped", "xfailed", "error")
    assert [counts(alone[1])[word] for word in words] == [counts(shared[1])[word] for word in words]
    assert cells(alone[2]) == cells(shared[2])


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_every_check_of_every_target_is_a_cell(runs: dict[str, tuple[int, str, Path]], workers: str) -> None:
    found = cells(runs[workers][2])

    checks = {check for check, _ in found}
    assert len(checks) >= 40
    assert set(found) == {(check, target) for check in checks for target in TARGETS.split(",")}


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_as_many_probes_are_run_as_there_are_targets(runs: dict[str, tuple[int, str, Path]], workers: str) -> None:
    _, told, report = runs[workers]

    assert re.findall(r"^isolation: (\d+) targets observed in [\d.]+ s$", told, re.MULTILINE) == [str(COUNT)]
    assert len(list((report / "facts").iterdir())) == COUNT


def test_each_target_stays_on_one_worker(runs: dict[str, tuple[int, str, Path]]) -> None:
    ran = re.findall(r"^\[(gw\d)\] .*::\w+\[([\w+-]+)\]", runs["-n2"][1], re.MULTILINE)

    assert {target for _, target in ran} == set(TARGETS.split(","))
    assert len(set(ran)) == COUNT


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_report_is_whole_and_fits_its_schema(runs: dict[str, tuple[int, str, Path]], workers: str) -> None:
    report = runs[workers][2]

    assert {path.name for path in report.iterdir()} == {"facts", "results.json", "index.html"}
    document = json.loads((report / "results.json").read_text())
    jsonschema.validate(document, json.loads((DIRECTORY / "results.schema.json").read_text()))
    assert [target["id"] for target in document["targets"]] == sorted(TARGETS.split(","))
    assert (report / "index.html").read_text().lower().startswith("<!doctype html>")


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_judging_the_archive_gives_the_same_verdicts(
    runs: dict[str, tuple[int, str, Path]], workers: str, tmp_path: Path
) -> None:
    report = runs[workers][2]
    argv = [sys.executable, "-m", "pytest_isolation", "judge", *map(str, (report / "facts").iterdir())]

    done = subprocess.run([*argv, "--report", str(tmp_path)], capture_output=True, text=True, timeout=300)

    assert done.returncode == 0, done.stderr
    assert cells(tmp_path) == cells(report)


def test_judging_under_a_profile_gives_what_a_run_under_it_does(pytester: pytest.Pytester) -> None:
    report, again, plain = (pytester.path / name for name in ("report", "again", "plain"))
    args = ("--isolation=container", f"--isolation-runtime={TARGETS}", f"--isolation-report={report}", "-n0")

    ran = run(pytester, *args, "--isolation-profile=restricted@1")
    for folder, asked in ((again, ["--profile=restricted@1"]), (plain, [])):
        argv = [sys.executable, "-m", "pytest_isolation", "judge", *map(str, (report / "facts").iterdir())]
        subprocess.run([*argv, "--report", str(folder), *asked], capture_output=True, timeout=300)

    assert ran.ret == pytest.ExitCode.TESTS_FAILED
    assert cells(again) == cells(report)
    assert {key: verdict for key, (verdict, _) in cells(plain).items()} == {
        key: verdict for key, (verdict, _) in cells(report).items()
    }
    assert cells(plain) != cells(report)


def test_nothing_is_left_of_any_run(runs: dict[str, tuple[int, str, Path]], home: Path) -> None:
    assert nothing_left(home)


def test_more_skipped_than_allowed_fails_the_run(pytester: pytest.Pytester) -> None:
    args = ("--isolation=container", "--isolation-runtime=self", "--pyargs", "pytest_isolation.suite.machine.test_vm")

    result = run(pytester, *args, "--isolation-max-skip=0")

    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["isolation: 2 cells were skipped, --isolation-max-skip=0 allows no more"])
    assert run(pytester, *args, "--isolation-max-skip=2").ret == 0


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
            assert len({one.inside().nonce for one in made} | {sandbox.live.nonce}) == 3

        def test_they_are_gone(sandbox):
            assert not any(one._stream for one in made)
            assert sandbox.live.alive
        """
    )

    result = run(pytester, "--isolation=container", "--isolation-runtime=unshare", "test_own.py")

    result.assert_outcomes(passed=2)
    assert nothing_left(home)
