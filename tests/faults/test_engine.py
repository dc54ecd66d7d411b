"""The engine of a session dies, or hangs: the session ends in time, says so, and nothing is left."""

from __future__ import annotations

import os
import shutil
import signal

import pytest
from fakes import wait_for

from faults.case import wide
from faults.home import Home, provisioner, session
from faults.promise import Promise
from faults.running import Running
from faults.world import World

pytestmark = [
    wide,
    pytest.mark.skipif(os.geteuid() != 0 or shutil.which("dockerd") is None, reason="starts dockerd as root"),
]
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
    sandbox_factory().inside()
"""


def dockerd(home: Home) -> int:
    (pid,) = [pid for pid, line in home.processes().items() if "dockerd" in line.split()[0]]
    return pid


HANGS = pytest.mark.xfail(reason="each call of the end waits for an engine that hangs: minutes", strict=True)


@pytest.mark.parametrize(
    ("number", "seconds"), [(signal.SIGKILL, 30), pytest.param(signal.SIGSTOP, 120, marks=HANGS)], ids=["dies", "hangs"]
)
def test_the_engine_dies_or_hangs_under_a_session(home: Home, number: signal.Signals, seconds: float) -> None:
    home.write_test(ASKS)
    before = World.now(home)

    with home.start(provisioner("daemon", "docker", "--", "sh", "-c", KEEP)) as daemon:
        daemon.await_(lambda: home.reached("host"), "the daemon runs")
        env = {"DOCKER_HOST": (home.marks / "host").read_text().strip()}
        with home.start(session("docker"), env) as program:
            program.await_(lambda: home.reached("tests"), "its test waits")
            os.kill(dockerd(home), number)
            (home.marks / "struck").touch()
            program.finish(seconds)
        broken = program.broken({1, 4})  # 4: a command of its end failed too
        stop(home, daemon)

    assert broken + Promise({0, 1, 130, 137, 143}, clean=False, prune=60).broken(home, daemon, before) == []
    assert "docker" in program.text


def stop(home: Home, daemon: Running) -> None:
    """End the command that the daemon serves, and wait for the end of both."""
    for pid, line in home.processes().items():
        if line.startswith("sleep 600"):
            os.kill(pid, signal.SIGTERM)
    wait_for(lambda: daemon.process.poll() is not None, 60)
