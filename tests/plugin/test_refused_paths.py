"""What cannot be used is one line at the start, and nothing is started: files, folders and required targets."""

from __future__ import annotations

import os

import pytest

pytest_plugins = ["pytester"]
pytestmark = pytest.mark.usefixtures("plain")


def run(pytester: pytest.Pytester, *args: str) -> pytest.RunResult:
    options = ("-p", "no:cacheprovider", "--isolation=container", "--isolation-runtime=self")
    return pytester.runpytest_subprocess(*options, *args, timeout=600)


def refused(result: pytest.RunResult, line: str) -> None:
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {line}"])
    assert "observed in" not in result.stdout.str(), "nothing was started"


def test_a_lab_file_that_is_not_there_names_the_near_one(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", lab="machines: {}\n")

    refused(
        run(pytester, "--isolation-lab=labs.yaml"),
        "--isolation-lab: 'labs.yaml' does not exist; did you mean 'lab.yaml'?",
    )


def test_a_kernel_that_is_not_there_is_refused_at_the_start(pytester: pytest.Pytester) -> None:
    refused(run(pytester, "--isolation-kernel=/no/such"), "--isolation-kernel: '/no/such' does not exist")
    refused(run(pytester, "--isolation-kernel=."), "--isolation-kernel: '.' is no file")


@pytest.mark.parametrize("path", ["/proc/none/report", "/dev/null/report"])
def test_a_report_that_cannot_be_written_is_refused_at_the_start(pytester: pytest.Pytester, path: str) -> None:
    refused(run(pytester, f"--isolation-report={path}"), f"--isolation-report: cannot make '{path}':*")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere: run as another user")
def test_a_folder_of_another_user_is_refused_at_the_start(pytester: pytest.Pytester) -> None:
    refused(run(pytester, "--isolation-report=/usr"), "--isolation-report: this user may not write to '/usr'")


def test_looking_at_the_reports_folder_leaves_nothing(pytester: pytest.Pytester) -> None:
    refused(
        run(pytester, "--isolation-report=a/b/c", "--isolation-require=vm"),
        "--isolation-require: no target of the kind vm:*",
    )

    assert not (pytester.path / "a").exists()


def test_a_required_kind_that_was_not_asked_for_names_the_option(pytester: pytest.Pytester) -> None:
    refused(
        run(pytester, "--isolation-require=vm"),
        "--isolation-require: no target of the kind vm: ask for it: --isolation=container,vm",
    )


def test_a_list_in_the_place_of_keys_is_told_without_names_of_python(pytester: pytest.Pytester) -> None:
    pytester.makefile(".yaml", isolation="[]\n")

    refused(run(pytester), "*isolation.yaml:1: should be keys with values")
