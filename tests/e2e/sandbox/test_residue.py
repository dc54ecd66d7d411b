"""Nothing is left of a session: after its end, Ctrl-C, SIGTERM, SIGKILL and a prune; nor of two at once."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fakes import wait_for
from residue import Home

SOON = 5.0  # seconds in which processes end by themselves


@pytest.fixture
def home(isolation_target: str) -> Iterator[Home]:
    made = Home(isolation_target)
    yield made
    made.remove()


def assert_nothing_left(home: Home) -> None:
    wait_for(lambda: not home.processes(), SOON)
    assert home.left() == []


def test_a_session_leaves_nothing(home: Home) -> None:
    with home.session("test_it_answers.py", "-v") as process:
        home.await_run(process)
        told = home.finish(process)

    assert process.returncode == 0, told
    assert home.ids
    assert_nothing_left(home)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 2), (signal.SIGTERM, 143)])
def test_a_session_ended_while_it_creates_leaves_nothing(home: Home, number: int, status: int) -> None:
    with home.session("test_it_answers.py") as process:
        home.await_run(process)
        process.send_signal(number)
        told = home.finish(process, 150)  # five times what a runtime needs to delete what was half made

    assert process.returncode == status, told
    assert "Traceback" not in told
    assert_nothing_left(home)


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 2), (signal.SIGTERM, 143)])
def test_a_session_ended_under_load_leaves_nothing(home: Home, number: int, status: int) -> None:
    with home.session("test_under_load.py") as process:
        home.await_load(process)
        assert home.left(), "what is there now must be seen, or nothing proves that it goes"
        started = time.monotonic()
        process.send_signal(number)
        told = home.finish(process, 150)

    assert process.returncode == status, told
    assert time.monotonic() - started < 30
    assert_nothing_left(home)


@pytest.mark.parametrize("when", ["creating", "under load"])
def test_after_sigkill_processes_end_by_themselves_and_prune_takes_the_rest(home: Home, when: str) -> None:
    with home.session("test_under_load.py") as process:
        (home.await_run if when == "creating" else home.await_load)(process)
        process.kill()
        process.wait(60)
        if not home.target.startswith("podman"):  # conmon goes on until it is told, which prune does
            wait_for(lambda: not home.processes(), SOON)
    home.prune()

    wait_for(lambda: not home.processes(), SOON)
    assert home.prune() == "nothing was left\n"  # before podman is asked, which makes its folder anew
    assert_nothing_left(home)


def test_two_sessions_at_once_agree_and_leave_nothing(home: Home) -> None:
    suite = (
        "--pyargs",
        "pytest_isolation.suite.namespaces.test_namespaces",
        "pytest_isolation.suite.namespaces.test_users",
    )

    def run(report: Path) -> tuple[int, str]:
        with home.session(*suite, f"--isolation-report={report}") as process:
            home.await_run(process)
            told = home.finish(process)
        return process.returncode, told

    reports = [home.path / "first", home.path / "second"]
    with ThreadPoolExecutor(2) as threads:
        done = list(threads.map(run, reports))

    assert [status for status, _ in done] == [0, 0], [last_error(told) for _, told in done]
    first, second = (verdicts(report) for report in reports)
    assert first == second
    assert_nothing_left(home)


def last_error(told: str) -> str:
    """Return the line that an internal error of pytest ends with, or the last one."""
    lines = [line for line in told.splitlines() if line.strip()]
    return next((line for line in reversed(lines) if line.startswith("INTERNALERROR>")), lines[-1] if lines else "")


def verdicts(report: Path) -> dict[str, str]:
    document: dict[str, Any] = json.loads((report / "results.json").read_text())
    return {cell["check"]: cell["verdict"] for cell in document["cells"]}
