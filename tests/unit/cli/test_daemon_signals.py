"""The command of `provisioner daemon` gets each signal once, whoever sends it."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time

CODE = """
import sys
from provisioner.cli.daemon import _run
from provisioner.interrupt.program import run
script = "trap 'echo caught; count=$((count + 1))' INT TERM; echo ready; for _ in $(seq 40); do sleep 0.05; done"
script += "; exit $count"
sys.exit(run("prog", lambda: sys.exit(_run(["sh", "-c", script], {}))))
"""


def read_until(fd: int, text: str, seconds: float = 20) -> str:
    """Return what comes from a terminal until a text is in it, or until its end."""
    said, until = "", time.monotonic() + seconds
    while text not in said and time.monotonic() < until:
        if select.select([fd], [], [], 0.1)[0]:
            try:
                said += os.read(fd, 4096).decode()
            except OSError:  # EIO: nobody holds the terminal (pty(7))
                break
    return said


def test_ctrl_c_in_a_terminal_reaches_the_command_once() -> None:
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", CODE])
    try:
        assert "ready" in read_until(terminal, "ready")
        os.write(terminal, b"\x03")
        rest = read_until(terminal, "no such text")
        _, status = os.waitpid(pid, 0)
    finally:
        os.close(terminal)

    assert (os.waitstatus_to_exitcode(status), rest.count("caught")) == (1, 1), rest
    assert "prog: interrupted; waiting for 'sh'" in rest


def test_a_signal_to_the_program_alone_reaches_the_command_once() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", CODE], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as one:
        assert one.stdout is not None
        assert one.stdout.readline() == "ready\n"
        one.send_signal(signal.SIGINT)

        assert one.stdout.read() == "caught\n"
    assert one.returncode == 1
