"""provisioner.journal.sweep: what dead makers left goes; what living or unknown ones made stays."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import wait_for

from provisioner.connection.local import LocalConnection, _tie
from provisioner.files.maker import PREFIX, VARIABLE, Maker, temporary_name, this_process
from provisioner.journal.prune import prune
from provisioner.journal.run import Run
from provisioner.linux.processes import read_process
from provisioner.paths import HOME

DEAD = replace(this_process(), pid=0x3FFFFF)  # above pid_max of most systems, and not this start time


def name_of(maker: Maker, ending: str = "") -> str:
    return f"{PREFIX}{maker}-0123abcd{ending}"


def test_temporary_files_of_dead_makers_go(home: Path) -> None:
    recycled = replace(this_process(), start=this_process().start - 1)
    dead = [
        home / "cache" / name_of(DEAD),
        home / "cache" / name_of(recycled, ".old"),
        home / "cache" / "boxes" / name_of(DEAD),
        home / "run" / name_of(DEAD),
        home / "run" / "podman" / name_of(DEAD),
    ]
    for path in dead:
        (path / "deep").mkdir(parents=True)
    (home / "cache" / "file").mkdir()
    file = home / "cache" / "file" / name_of(DEAD)
    file.touch()

    prune()

    assert not [path for path in (*dead, file) if path.exists()]


def test_temporary_files_of_living_and_unknown_makers_stay(home: Path) -> None:
    mine = home / "cache" / temporary_name()
    elsewhere = home / "cache" / name_of(replace(DEAD, namespace=1))  # a container that shares the cache
    other_host = home / "cache" / name_of(replace(DEAD, boot="00000000"))  # changed after our boot
    foreign = home / "cache" / ".tmp-of-another-program"
    for path in (mine, elsewhere, other_host, foreign):
        path.touch()

    assert prune() == []
    assert all(path.exists() for path in (mine, elsewhere, other_host, foreign))
    for path in (elsewhere, other_host):
        os.utime(path, (1, 1))
    assert len(prune()) == 2
    assert [path.exists() for path in (mine, elsewhere, other_host, foreign)] == [True, False, False, True]


def test_shared_folders_go_when_no_run_lives(home: Path) -> None:
    (home / "run" / "podman" / "deep").mkdir(parents=True)
    (home / "run" / "accelerator.json").touch()

    with Run.start(), Run.start() as inner:
        assert prune() == []
        inner.close()
        assert (home / "run" / "podman").exists()
    assert not (home / "run" / "podman").exists()  # the last run's end
    (home / "run" / "podman").mkdir()
    said = prune()

    assert said == [f"removed path {home}/run/podman"]
    assert sorted(path.name for path in (home / "run").iterdir()) == ["accelerator.json", "runs"]


def test_shared_folders_stay_for_what_cannot_be_undone(home: Path) -> None:
    run = Run.start()
    run.made("command", ["sh", "-c", "echo busy >&2; exit 1"])
    (home / "run" / "podman").mkdir()
    with pytest.raises(Exception, match="busy"):
        run.close()

    prune()

    assert (home / "run" / "podman").exists()


# Starts `sleep` by a shell through run_command, and is killed.
MAKER = """
import sys, threading
from provisioner.connection.local import run_command
argv = ["sh", "-c", sys.argv[1]]
threading.Thread(target=lambda: run_command(argv, 600, tied=sys.argv[2] == "tied"), daemon=True).start()
input()
"""


@pytest.fixture
def maker(home: Path, request: pytest.FixtureRequest) -> Iterator[subprocess.Popen[str]]:
    """A process whose command has a helper; both hang.  With the parameter "tied" the command ends with the process."""
    body = f"sleep 600 & echo $$ $! >{home}/pids.new; mv {home}/pids.new {home}/pids; wait"
    how = getattr(request, "param", "loose")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen([sys.executable, "-c", MAKER, body, how], stdin=subprocess.PIPE, text=True, env=env)
    until = time.monotonic() + 30
    while not (home / "pids").exists():
        assert time.monotonic() < until
        time.sleep(0.02)
    yield process
    process.kill()
    process.wait(60)
    assert process.stdin is not None
    process.stdin.close()


def test_commands_of_a_killed_process_are_ended_with_their_helpers(home: Path, maker: subprocess.Popen[str]) -> None:
    pids = [int(word) for word in (home / "pids").read_text().split()]

    assert prune() == []
    assert all(map(read_process, pids))
    maker.send_signal(signal.SIGKILL)
    maker.wait(60)
    said = prune()

    assert sorted(said) == sorted([f"removed process {pids[0]} (sh)", f"removed process {pids[1]} (sleep)"])
    assert not any(map(read_process, pids))


@pytest.mark.skipif(not _tie(), reason="apt-get install util-linux: no setpriv that ends a command")
@pytest.mark.parametrize("maker", ["tied"], indirect=True)
def test_kernel_ends_a_tied_command_and_prune_its_helpers(home: Path, maker: subprocess.Popen[str]) -> None:
    command, helper = (int(word) for word in (home / "pids").read_text().split())
    maker.send_signal(signal.SIGKILL)
    maker.wait(60)
    wait_for(lambda: read_process(command) is None)

    assert read_process(helper)
    assert prune() == [f"removed process {helper} (sleep)"]


def test_what_starts_in_a_sandbox_gets_no_mark() -> None:
    """Some runtimes hand their environment on into the sandbox."""
    here, argv = LocalConnection(), ["sh", "-c", f"echo ${VARIABLE}"]
    stream = here.start(argv)
    started = stream.read()
    stream.kill()

    assert here.run(argv, 10).stdout.decode().split()[0] == str(this_process())
    assert (here.run(argv, 10, inside=True).stdout, started) == (b"\n", b"\n")


def start_marked(maker: Maker, stdout: int) -> subprocess.Popen[bytes]:
    env = {**os.environ, VARIABLE: f"{maker} {os.environ[HOME]}"}
    quiet = subprocess.DEVNULL
    return subprocess.Popen(["sleep", "600"], env=env, stdin=quiet, stdout=stdout, stderr=quiet)


def test_daemon_that_a_command_left_on_purpose_stays(home: Path) -> None:
    with start_marked(DEAD, subprocess.DEVNULL) as daemon, start_marked(DEAD, subprocess.PIPE) as hanging:
        said = prune()
        hanging.wait(60)
        alive = daemon.poll() is None
        daemon.kill()

    assert said == [f"removed process {hanging.pid} (sleep)"]
    assert alive


def test_processes_of_other_pid_namespaces_stay(home: Path) -> None:
    with start_marked(replace(DEAD, namespace=1), subprocess.PIPE) as process:
        assert prune() == []
        assert process.poll() is None
        process.kill()


def test_processes_of_another_home_stay(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with start_marked(DEAD, subprocess.PIPE) as process:
        monkeypatch.setenv(HOME, str(home / "cache"))
        assert prune() == []
        assert process.poll() is None
        process.kill()


def test_our_own_processes_do_not_hand_the_mark_on(home: Path) -> None:
    argv = [sys.executable, "-c", "import os, provisioner.files.maker as m; print(os.environ.get(m.VARIABLE))"]
    env = {**os.environ, VARIABLE: str(DEAD), "PYTHONPATH": os.pathsep.join(sys.path)}

    assert subprocess.run(argv, env=env, capture_output=True, text=True, check=True).stdout == "None\n"
