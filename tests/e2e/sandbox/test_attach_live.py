"""Attaching to a user's own container: it is seen, it stays exactly as it is, and it is never taken for ours."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from fakes import wait_for
from others import Other, canary, other, run
from residue import ARGS, Home

from provisioner.facts.document import Facts
from pytest_isolation.fixtures import OFF
from pytest_isolation.session.state import STATE, State

RUNTIMES = ("docker", "podman", "runc", "lxc", "unshare")
SUITE = ("--pyargs", "pytest_isolation.suite")
WAITS = """
import os, time
from pathlib import Path

def test_waits(sandbox):
    Path(os.environ["READY"]).touch()
    time.sleep(600)
"""


@pytest.fixture
def state(request: pytest.FixtureRequest) -> State:
    found = request.config.stash.get(STATE, None)
    if found is None:
        pytest.skip(OFF)
    return found


@pytest.fixture
def runtime(state: State) -> str:
    """The session's one runtime, whose sandboxes a user makes here."""
    for target in state.targets.values():
        if target.runtime.name in RUNTIMES and target.host == "local":
            return target.runtime.name
    pytest.skip("nobody's sandboxes of this session can be attached to")


@pytest.fixture
def facts(state: State) -> Callable[[Other], Facts]:
    return lambda one: state.hosts.local.outside_pid(one.pid, secrets.token_hex(8))


@pytest.fixture
def home(state: State, runtime: str) -> Iterator[Home]:
    made = Home(next(iter(state.targets)))
    yield made
    made.remove()


@pytest.fixture
def make(home: Home, runtime: str) -> Iterator[Callable[..., Other]]:
    with ExitStack() as users:
        yield lambda weak=False: users.enter_context(other(runtime, home, f"users-{secrets.token_hex(4)}", weak))


def session(home: Home, one: Other | str, *args: str) -> subprocess.CompletedProcess[str]:
    attach = one if isinstance(one, str) else one.attach
    argv = [sys.executable, "-m", "pytest", *ARGS, f"--rootdir={home.path}", f"--isolation-attach={attach}", *args]
    return subprocess.run(
        argv,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=home.path,
        env=home.environment,
    )


def results(home: Home) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((home.path / "report" / "results.json").read_text())
    return found


def test_without_a_name_all_that_run_are_columns(home: Home, make: Callable[..., Other], runtime: str) -> None:
    if runtime != "docker":
        pytest.skip("each of these users has a storage of their own: --isolation-runtime=docker")
    (home.path / "test_own.py").write_text("def test_it(sandbox):\n    assert sandbox.subject.pid\n")
    users = {make().attach, make().attach}

    done = session(home, "docker:", "test_own.py")

    assert done.returncode == 0, done.stdout + done.stderr
    (named,) = [line for line in done.stdout.splitlines() if line.startswith("isolation: docker:")]
    assert set(named.removeprefix("isolation: ").partition(" (")[0].split(", ")) == users


def test_it_is_seen_and_stays_as_it_is(
    home: Home, make: Callable[..., Other], facts: Callable[[Other], Facts], runtime: str
) -> None:
    one = make()
    before = canary(one, facts(one))

    done = session(home, one, "--isolation-report=report", *SUITE)

    assert done.returncode == 0, done.stdout + done.stderr
    assert before == canary(one, facts(one))
    cells = {cell["check"]: cell for cell in results(home)["cells"]}
    assert cells["ns.pid"]["verdict"] == "holds"
    inside = {"docker": "unknown", "unshare": "unknown"}.get(runtime, "holds")
    assert cells["path.sys_ro"]["verdict"] == inside
    assert cells["path.sys_ro"]["judgement"] == ("ok" if inside == "holds" else "documented")
    (beside,) = results(home)["beside"]
    if runtime == "unshare":
        assert beside["reason"] == "what made it is unknown"
    else:
        assert (beside["weaker"], beside["reason"]) == ([], "")
        assert beside["compared"] > 5
        assert f"none weaker than a fresh {beside['fresh']}" in done.stdout
    assert home.left() == []


def test_what_its_user_gave_away_is_weaker_than_a_fresh_one(
    home: Home, make: Callable[..., Other], facts: Callable[[Other], Facts], runtime: str
) -> None:
    if runtime == "unshare":
        pytest.skip("nobody says what made a bare process: there is no fresh one")
    one = make(weak=True)
    before = canary(one, facts(one))

    done = session(home, one, "--isolation-report=report", *SUITE)

    assert before == canary(one, facts(one))
    (beside,) = results(home)["beside"]
    assert one.weaker in beside["weaker"], done.stdout
    assert f"{len(beside['weaker'])} weaker than a fresh {beside['fresh']}" in done.stdout
    judged = {cell["check"]: cell["judgement"] for cell in results(home)["cells"]}
    assert judged["cap.bounding"] == "finding"
    assert done.returncode == 1


def test_it_survives_a_session_that_is_killed_and_a_prune(
    home: Home, make: Callable[..., Other], facts: Callable[[Other], Facts]
) -> None:
    one = make()
    before = canary(one, facts(one))
    (home.path / "test_waits.py").write_text(WAITS)
    argv = [sys.executable, "-m", "pytest", *ARGS, f"--rootdir={home.path}", f"--isolation-attach={one.attach}"]
    process = subprocess.Popen(
        [*argv, "test_waits.py"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=home.path,
        env=home.environment,
    )
    wait_for(lambda: home.ready.exists() or process.poll() is not None, 600)
    home.note_runs()
    journals = "".join(path.read_text() for path in (home.path / "run" / "runs").glob("*.jsonl"))
    process.kill()
    process.wait(30)

    home.prune()

    assert home.ready.exists()
    assert one.attach.rpartition("/")[2].rpartition(":")[2] not in journals
    assert before == canary(one, facts(one))
    wait_for(lambda: home.left() == [])


def test_a_paused_one_is_seen_from_outside_and_stays_paused(
    home: Home, make: Callable[..., Other], facts: Callable[[Other], Facts], runtime: str
) -> None:
    one = make()
    if runtime == "docker" or not one.pause:
        pytest.skip("nothing is started in it anyway, or its user cannot pause it here")
    run(one.pause, home.environment)
    before = canary(one, facts(one))

    done = session(home, one, "--isolation-report=report", *SUITE)

    after = canary(one, facts(one))
    run(one.resume, home.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    assert before == after
    (reason,) = {cell["reason"] for cell in results(home)["cells"] if cell["check"] == "path.sys_ro"}
    assert reason == "inside could not be observed: it is paused: what is started in it does not run"


def test_one_that_is_not_there_or_does_not_run_is_one_line(
    home: Home, make: Callable[..., Other], runtime: str
) -> None:
    one = make()
    missing = "pid:2147483647" if runtime == "unshare" else f"{one.attach}-not"
    first = session(home, missing, *SUITE)
    run(one.stop, home.environment)
    wait_for(lambda: _has_ended(one.pid))
    second = session(home, one, *SUITE)

    for done in (first, second):
        assert done.returncode == 4, done.stdout + done.stderr
        (line,) = [text for text in done.stderr.splitlines() if text.strip()]
        assert line.startswith("ERROR: cannot attach to '")
    assert home.left() == []


def _has_ended(pid: int) -> bool:
    try:
        return " Z " in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
