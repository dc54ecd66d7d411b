"""A Docker daemon that is killed or hangs under a session ends no session: it says so, and nothing is left."""

from __future__ import annotations

import json
import os
import signal

import pytest
from fakes import wait_for

from faults.case import needs, needs_root, wide
from faults.home import Home, provisioner, session
from faults.phases import ANSWERS, LOADS
from faults.promise import Promise
from faults.running import Running
from faults.world import World
from provisioner.deadlines import deadline

AFTER = """
def test_after(sandbox_factory):
    assert sandbox_factory().live.request("echo", data=b"x").data == b"x"
"""
KEEP = "echo $DOCKER_HOST >$MARKS/host.new; mv $MARKS/host.new $MARKS/host; exec sleep 600"
ASKS = """
import os, time
from pathlib import Path

def test_it_answers(sandbox):
    assert sandbox.namespaces.pid is not None

def test_a_new_one_is_asked(sandbox_factory):
    Path(os.environ["MARKS"], "tests").touch()
    while not Path(os.environ["MARKS"], "struck").exists():
        time.sleep(0.1)
    sandbox_factory().inside
"""
pytestmark = [wide, needs_root, needs("dockerd")]


def strike_daemon(home: Home, number: signal.Signals) -> None:
    (pid,) = [pid for pid, line in home.processes().items() if os.path.basename(line.split()[0]) == "dockerd"]
    os.kill(pid, number)


def is_creating(home: Home) -> bool:
    return any("docker run " in line for line in home.processes().values())


def end_command(home: Home, daemon: Running) -> None:
    """End the command that the daemon serves, and wait for the end of both."""
    for pid, line in home.processes().items():
        if line.startswith("sleep 600"):
            os.kill(pid, signal.SIGTERM)
    wait_for(lambda: daemon.process.poll() is not None, 60)


def test_a_daemon_that_is_killed_under_load_leaves_the_next_test_unknown(home: Home) -> None:
    home.write_test(LOADS + AFTER)
    before = World.now(home)

    with home.start(provisioner("daemon", "docker", "--", *session("docker"))) as running:
        running.await_(lambda: home.reached("load"), "a load runs")
        strike_daemon(home, signal.SIGKILL)
        running.finish()

    assert Promise({1, 4}, clean=False, orphans=True).broken(home, running, before) == []
    assert "cannot start 'docker': its daemon is not running" in running.text
    cells = json.loads((home.work / "report" / "results.json").read_text())["cells"]
    verdicts = {cell["check"].rpartition("::")[2]: cell["verdict"] for cell in cells}
    assert verdicts["test_after"] == "unknown"


def test_a_daemon_that_is_killed_while_it_creates_a_container_is_one_line(home: Home) -> None:
    home.write_test(ANSWERS)
    before = World.now(home)

    with home.start(provisioner("daemon", "docker", "--", *session("docker"))) as running:
        running.await_(lambda: is_creating(home), "docker run")
        strike_daemon(home, signal.SIGKILL)
        running.finish()

    assert Promise({1, 4}, clean=False, orphans=True).broken(home, running, before) == []
    assert "ERROR: cannot " in running.text


@pytest.mark.parametrize(
    ("number", "seconds", "says"),
    [
        (signal.SIGKILL, 30, "its daemon is not running"),
        (signal.SIGSTOP, deadline("daemon.check") + deadline("daemon.answer") + 30, "its daemon did not answer"),
    ],
    ids=["dies", "hangs"],
)
def test_a_session_beside_its_daemon_ends_in_time(
    home: Home, number: signal.Signals, seconds: float, says: str
) -> None:
    home.write_test(ASKS)
    before = World.now(home)

    with home.start(provisioner("daemon", "docker", "--", "sh", "-c", KEEP)) as daemon:
        daemon.await_(lambda: home.reached("host"), "the daemon runs")
        env = {"DOCKER_HOST": (home.marks / "host").read_text().strip()}
        with home.start(session("docker"), env) as program:
            program.await_(lambda: home.reached("tests"), "its test waits")
            strike_daemon(home, number)
            home.mark("struck")
            program.finish(seconds)
        broken = program.broken({1, 4})  # 4: a command of its end failed too
        end_command(home, daemon)

    assert broken + Promise({0, 1, 130, 137, 143}, clean=False, prune=60).broken(home, daemon, before) == []
    assert says in program.text


@pytest.mark.parametrize(
    ("dockerd", "says"),
    [
        ("#!/nowhere/sh\n", "failed to execute"),
        ("#!/bin/sh\nexit 1\n", "it ended with status 1"),
    ],
    ids=["cannot run", "ends at once"],
)
def test_a_daemon_that_never_runs_leaves_nothing(home: Home, dockerd: str, says: str) -> None:
    program = home.work / "dockerd"
    program.write_text(dockerd)
    program.chmod(0o755)
    before = World.now(home)

    with home.start(
        provisioner("daemon", "docker", "--", "true"), {"PATH": f"{home.work}:{os.environ['PATH']}"}
    ) as running:
        running.finish()

    assert says in running.text
    assert Promise({1}).broken(home, running, before) == []


def test_a_command_that_cannot_run_leaves_nothing_of_its_daemon(home: Home) -> None:
    before = World.now(home)

    with home.start(provisioner("daemon", "docker", "--", "/nowhere/command")) as running:
        running.finish()

    assert "cannot run '/nowhere/command': No such file or directory" in running.text
    assert Promise({1}).broken(home, running, before) == []
