"""A pytest session starts its machine and stops it: at its end, on Ctrl-C, and after SIGKILL by a prune."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest
from fakes import wait_for
from live_box import REASON, UNAVAILABLE

from provisioner.journal.prune import prune
from provisioner.journal.run import Run
from provisioner.machines.box.build import build_box
from provisioner.machines.daemonize import find_running
from provisioner.machines.find import find_machine
from provisioner.machines.lab import Lab, load_lab
from provisioner.machines.qemu.machine import PID_FILE

pytestmark = pytest.mark.skipif(UNAVAILABLE, reason=REASON)

NAME = f"session-{os.getpid()}"
TEST = """
def test_it_answers(sandbox):
    assert sandbox.run("/bin/true").ended == "exit 0"
"""
TIMEOUT = 900.0


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of one machine without roles, which is gone afterwards."""
    build_box()
    folder = tmp_path_factory.mktemp("lab")
    (folder / "lab.yaml").write_text(f"machines:\n  {NAME}: {{provider: qemu, memory: 512}}\n")
    (folder / "test_own.py").write_text(TEST)
    found = load_lab(folder / "lab.yaml")
    yield found
    with Run.start() as run:
        find_machine(found, NAME, run).down(destroy=True)
    shutil.rmtree(found.directory)


def session(lab: Lab, *args: str) -> subprocess.Popen[str]:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", os.devnull, "--rootdir=."]
    argv += ["--isolation=vm", f"--isolation-machine={NAME}", "test_own.py", *args]
    return subprocess.Popen(
        argv,
        cwd=lab.path.parent,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background may ignore it
    )


def runs(lab: Lab) -> bool:
    return find_running(lab.directory / NAME / PID_FILE) is not None


def test_a_prune_stops_the_machine_of_a_killed_session(lab: Lab) -> None:
    with session(lab) as process:
        wait_for(lambda: runs(lab), 600)
        process.kill()
    assert runs(lab), "or nothing proves that the prune ends it"

    said = prune()

    assert not runs(lab), said


def test_an_interrupted_session_stops_its_machine(lab: Lab) -> None:
    with session(lab) as process:
        wait_for(lambda: runs(lab), 600)
        process.send_signal(signal.SIGINT)
        told, _ = process.communicate(timeout=TIMEOUT)

    assert process.returncode == 2, told
    assert "Traceback" not in told
    assert not runs(lab)


@pytest.mark.parametrize("how", ["booted", "restored"])
def test_a_session_stops_its_machine_at_its_end(lab: Lab, how: str) -> None:
    """The first session boots it and saves a snapshot; the second one restores that."""
    with session(lab) as process:
        told, _ = process.communicate(timeout=TIMEOUT)

    assert process.returncode == 0, told
    assert "1 passed" in told
    assert not runs(lab)
    with Run.start() as run:
        assert len(find_machine(lab, NAME, run).snapshots()) == 1


def test_a_machine_that_runs_already_is_not_stopped(lab: Lab) -> None:
    subprocess.run([sys.executable, "-m", "provisioner", "up", NAME], cwd=lab.path.parent, check=True, timeout=TIMEOUT)
    with Run.start() as run:
        before = find_machine(lab, NAME, run).vmm_pid()
        with session(lab) as process:
            told, _ = process.communicate(timeout=TIMEOUT)

        assert process.returncode == 0, told
        assert find_machine(lab, NAME, run).vmm_pid() == before is not None
        find_machine(lab, NAME, run).down()


def test_an_unknown_machine_is_a_one_line_error(lab: Lab) -> None:
    with session(lab, "--isolation-host=sesion") as process:
        told, _ = process.communicate(timeout=TIMEOUT)

    assert process.returncode == pytest.ExitCode.USAGE_ERROR
    assert [line for line in told.splitlines() if line.startswith("ERROR")] == [
        line for line in told.splitlines() if line.strip()
    ]
    assert "cannot find machine 'sesion'" in told


def test_a_machine_that_misses_its_deadline_is_a_usage_error_and_is_stopped(lab: Lab) -> None:
    with session(lab, "-o", "isolation_timeout_scale=0.001") as process:
        told, _ = process.communicate(timeout=TIMEOUT)

    assert process.returncode == pytest.ExitCode.USAGE_ERROR, told
    assert f"machine '{NAME}'" in told
    assert not runs(lab)
