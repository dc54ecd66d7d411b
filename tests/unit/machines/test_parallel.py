"""Commands run in parallel, each in a process, and end when this process is interrupted."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import pytest
from fakes import wait_for

from provisioner.machines import parallel as side_by_side
from provisioner.machines.parallel import CommandResult, run_parallel

# half a minute and no more, should nobody end it
WAIT = """
trap 'echo put away >>"$1"; exit 1' TERM
echo started >>"$1"
for _ in $(seq 600); do sleep 0.05; done
"""


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands are lines of sh, with what follows as their arguments."""

    def start(command: Sequence[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
        argv = ["sh", "-c", command[0], "sh", *command[1:]]
        return subprocess.Popen(argv, stdout=output, stdin=subprocess.DEVNULL, start_new_session=True)

    monkeypatch.setattr(side_by_side, "_start", start)


def test_results_are_in_the_order_of_the_commands(shell: None) -> None:
    slow, quick = ["sleep 0.3; echo slow"], ["echo quick; exit 3"]

    assert run_parallel([slow, quick], 2) == [CommandResult(0, "slow\n"), CommandResult(3, "quick\n")]


def test_only_so_many_commands_run_at_once(shell: None, tmp_path: Path) -> None:
    busy = 'mkdir "$1" || echo two; sleep 0.1; rmdir "$1"'

    assert {ended.output for ended in run_parallel([[busy, str(tmp_path / "busy")]] * 3, 1)} == {""}


def test_the_output_may_be_larger_than_a_pipe(shell: None) -> None:
    (ended,) = run_parallel([["head -c 300000 /dev/zero"]], 1)

    assert len(ended.output) == 300000


def test_an_interrupt_ends_all_commands_and_waits(shell: None, tmp_path: Path) -> None:
    files = [tmp_path / "a", tmp_path / "b"]

    def interrupt() -> None:
        wait_for(lambda: all(file.exists() and file.read_text() for file in files))
        os.kill(os.getpid(), signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run_parallel([[WAIT, str(file)] for file in files], 2)
    thread.join()
    assert [file.read_text() for file in files] == ["started\nput away\n"] * 2


def test_the_command_is_provisioner() -> None:
    helped, wrong = run_parallel([["up", "--help"], ["nosuch"]], 2)

    assert (helped.status, wrong.status) == (0, 2)
    assert "Usage: " in helped.output


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2) is Linux's")
def test_commands_get_sigterm_when_this_process_is_killed(tmp_path: Path) -> None:
    said = tmp_path / "said"
    code = (
        "import sys, time\n"
        "from provisioner.machines import parallel as side_by_side\n"
        "side_by_side.sys.executable = sys.argv[1]\n"
        "side_by_side.run_parallel([[]], 1)\n"
    )
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\nset -- {said}\n{WAIT}\n")
    program.chmod(0o755)
    with subprocess.Popen([sys.executable, "-c", code, str(program)], stdin=subprocess.DEVNULL) as killed:
        try:
            wait_for(lambda: said.exists() and said.read_text())
        finally:
            killed.kill()
    wait_for(lambda: said.read_text() == "started\nput away\n")
