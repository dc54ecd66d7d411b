"""A Docker daemon that is killed in a session ends no session: what cannot be observed is unknown, nothing stays."""

from __future__ import annotations

import json
import os
import shutil
import signal

import pytest

from faults.home import Home, provisioner, session
from faults.phases import ANSWERS, LOADS
from faults.running import Running
from faults.test_environments import SECONDS, WIDE
from faults.world import World, difference

AFTER = """
def test_after(sandbox_factory):
    assert sandbox_factory().request("echo", data=b"x").data == b"x"
"""
pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="needs root and dockerd"),
    pytest.mark.skipif(not WIDE, reason="starts a daemon: only with PYTEST_ISOLATION_FAULTS=wide"),
]


def kill_daemon(home: Home) -> None:
    (pid,) = [pid for pid, line in home.processes().items() if os.path.basename(line.split()[0]) == "dockerd"]
    os.kill(pid, signal.SIGKILL)


def is_creating(home: Home) -> bool:
    return any("docker run " in line for line in home.processes().values())


def in_order(running: Running, home: Home, before: World) -> list[str]:
    """Return what does not hold after the end."""
    lines = running.broken({1, 4})
    home.prune()
    return lines + difference(before, World.now(home))


def test_a_daemon_that_is_killed_under_load_leaves_the_next_test_unknown(home: Home) -> None:
    home.write_test(LOADS + AFTER)
    before = World.now(home)

    with home.start(provisioner("daemon", "docker", "--", *session("docker"))) as running:
        running.await_(lambda: home.reached("load"), "a load runs", SECONDS)
        kill_daemon(home)
        running.finish(SECONDS)

    assert in_order(running, home, before) == []
    assert "cannot start 'docker': its daemon is not running" in running.text
    cells = json.loads((home.work / "report" / "results.json").read_text())["cells"]
    verdicts = {cell["check"].rpartition("::")[2]: cell["verdict"] for cell in cells}
    assert verdicts["test_after"] == "unknown"


def test_a_daemon_that_is_killed_while_it_creates_a_container_is_one_line(home: Home) -> None:
    home.write_test(ANSWERS)
    before = World.now(home)

    with home.start(provisioner("daemon", "docker", "--", *session("docker"))) as running:
        running.await_(lambda: is_creating(home), "docker run", SECONDS)
        kill_daemon(home)
        running.finish(SECONDS)

    assert in_order(running, home, before) == []
    assert "ERROR: cannot " in running.text
