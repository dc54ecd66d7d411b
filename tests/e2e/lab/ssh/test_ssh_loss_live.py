"""A connection that is lost: what is repeated, what is not, and what ends with it."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
import sshd
from fakes import gone, wait_for

pytest.importorskip("fabric", reason="needs the extra [lab]")

from provisioner.connection.local import ConnectionLost
from provisioner.connection.ssh import SshConnection

DROP = 'kill -KILL "$PPID"'  # the shell's parent is the sshd that serves this connection
MEGABYTE = 1 << 20


def test_a_lost_connection_is_one_line_and_the_next_call_connects_again(there: SshConnection) -> None:
    with pytest.raises(ConnectionLost, match="cannot run 'sh' on 'debian12': connection lost"):
        there.run(["sh", "-c", f"{DROP}; sleep 1"], 30)

    assert there.run(["echo", "again"], 60).stdout == b"again\n"


def test_what_creates_is_not_run_twice_and_what_reads_is(there: SshConnection, tmp_path: Path) -> None:
    script = f"echo x >>{tmp_path}/runs; [ $(wc -l <{tmp_path}/runs) -gt 2 ] || {{ {DROP}; sleep 1; }}; echo done"

    with pytest.raises(ConnectionLost):
        there.run(["sh", "-c", script], 30)
    assert (tmp_path / "runs").read_text() == "x\n"

    assert there.run(["sh", "-c", script], 30, retry=True).stdout == b"done\n"
    assert (tmp_path / "runs").read_text() == "x\nx\nx\n"


def test_reads_are_not_repeated_for_ever(there: SshConnection, tmp_path: Path) -> None:
    with pytest.raises(ConnectionLost):
        there.run(["sh", "-c", f"echo x >>{tmp_path}/runs; {DROP}; sleep 1"], 30, retry=True)

    assert (tmp_path / "runs").read_text() == "x\n" * 3


def test_a_stream_ends_with_its_connection(there: SshConnection, server: sshd.Sshd) -> None:
    stream = there.start(["cat"])
    stream.write(b"x")
    assert stream.read() == b"x"

    for pid in server.sessions():
        os.kill(pid, signal.SIGKILL)

    assert stream.read() == b""
    with pytest.raises(ConnectionLost, match="cannot run 'cat' on 'debian12': connection lost"):
        stream.wait(30)
    with pytest.raises(OSError):
        stream.write(b"x" * MEGABYTE)
    stream.kill()
    wait_for(lambda: gone(stream.pid))  # its input ended


def test_a_connection_lost_between_two_commands_is_not_noticed(there: SshConnection, server: sshd.Sshd) -> None:
    """Nothing had been asked for yet, so that also what creates may go on."""
    for _ in range(3):
        there.run(["true"], 60)
        for pid in server.sessions():
            os.kill(pid, signal.SIGKILL)
        assert there.run(["echo", "again"], 60).stdout == b"again\n"
