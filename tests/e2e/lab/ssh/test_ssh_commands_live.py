"""Commands over SSH: bytes in and out, ends, deadlines, and what cannot be run."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path

import pytest
import sshd
from fakes import gone, wait_for

pytest.importorskip("fabric", reason="needs the extra [lab]")

from provisioner.connection import login as ssh_login
from provisioner.connection.child import MAX_STDERR
from provisioner.connection.local import MAX_STDOUT
from provisioner.connection.ssh import SshConnection
from provisioner.errors import IsolationError
from provisioner.linux.processes import read_process

NASTY = ["; id", "$(id)", "`id`", "a\nb\n", "", "'", '"', "\\", "*", "\udcff\udcfe", "--", "\r", "!!"]
MEGABYTE = 1 << 20


def test_a_command_is_run_to_its_end(there: SshConnection) -> None:
    done = there.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 60)

    assert (done.status, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert done.argv == ("sh", "-c", "echo out; echo err >&2; exit 3")


@pytest.mark.parametrize(("name", "number"), [("KILL", 9), ("HUP", 1), ("TERM", 15), ("SEGV", 11)])
def test_an_end_by_signal_reads_as_it_does_here(there: SshConnection, name: str, number: int) -> None:
    assert there.run(["sh", "-c", f"kill -{name} $$"], 60).status == -number


def test_a_signal_that_ssh_has_no_name_for_is_an_end_by_signal(there: SshConnection) -> None:
    assert there.run(["sh", "-c", "kill -BUS $$"], 60).status == ssh_login.UNKNOWN_SIGNAL


def test_a_command_has_no_input_and_no_terminal(there: SshConnection) -> None:
    assert there.run(["cat"], 60).status == 0
    assert there.run(["sh", "-c", "test -t 0 || test -t 1 || test -t 2"], 60).status == 1


def test_nasty_arguments_arrive_as_they_are(there: SshConnection) -> None:
    done = there.run(["printf", r"%s\0", *NASTY], 60)

    assert done.stdout == b"".join(os.fsencode(part) + b"\0" for part in NASTY)


def test_variables_are_added_to_the_environment(there: SshConnection) -> None:
    env = {"ADDED": "a 'b' $(id)\nc", "EMPTY": ""}

    done = there.run(["sh", "-c", 'printf %s "$ADDED"; echo "${EMPTY-unset}${USER:+kept}"'], 60, env)

    assert done.stdout == b"a 'b' $(id)\nckept\n"
    with pytest.raises(IsolationError, match="'A;id' is not a variable's name"):
        there.run(["true"], 10, {"A;id": ""})


def test_a_nul_byte_in_an_argument_is_refused(there: SshConnection) -> None:
    with pytest.raises(IsolationError, match="cannot run 'echo' on 'debian12': an argument holds a NUL byte"):
        there.run(["echo", "a\0b"], 60)


def test_a_program_that_is_not_there_is_named(there: SshConnection) -> None:
    for call in (lambda: there.run(["no-such-program"], 60), lambda: there.start(["no-such-program"])):
        with pytest.raises(
            IsolationError, match="cannot run 'no-such-program' on 'debian12': no such program"
        ) as error:
            call()
        assert error.value.hint == "install no-such-program there"


def test_a_program_is_found(there: SshConnection) -> None:
    assert there.find("sshd") == "/usr/sbin/sshd"
    assert there.find("/bin/sh") == "/bin/sh"
    assert there.find("test") == "/usr/bin/test"  # though shells have it built in
    assert there.find("no-such-program") is None
    assert there.find("/etc") is None


def test_a_command_that_does_not_end_is_ended_with_its_children(there: SshConnection, tmp_path: Path) -> None:
    script = f"echo $$ >{tmp_path}/pid; sleep 300 & echo $! >>{tmp_path}/pid; trap '' TERM HUP; sleep 299 | cat"
    started = time.monotonic()

    with pytest.raises(IsolationError, match="cannot run 'sh' on 'debian12': no end after 5 s"):
        there.run(["sh", "-c", script], 5)

    assert time.monotonic() - started < 60
    pids = [int(line) for line in (tmp_path / "pid").read_text().split()]
    assert len(pids) == 2
    wait_for(lambda: all(map(gone, pids)))
    assert there.run(["echo", "on"], 60).stdout == b"on\n"


def test_a_child_that_holds_the_output_does_not_hold_the_command(there: SshConnection) -> None:
    started = time.monotonic()

    done = there.run(["sh", "-c", "sleep 300 & echo $!"], 120)

    os.kill(int(done.stdout), signal.SIGKILL)
    assert done.status == 0
    assert time.monotonic() - started < 60


def test_output_is_bounded_and_the_command_still_ends(there: SshConnection) -> None:
    size = MAX_STDOUT + MEGABYTE

    done = there.run(["sh", "-c", f"head -c {size} /dev/zero; head -c {size} /dev/zero >&2"], 60)

    assert (done.status, len(done.stdout), len(done.stderr)) == (0, MAX_STDOUT, MAX_STDERR)


def test_what_the_login_shell_says_is_not_taken_for_the_preamble(server: sshd.Sshd, there: SshConnection) -> None:
    rc = server.folder / ".bashrc"
    rc.write_text("echo isolation pid 1 >&2; printf 'welcome to isolation' >&2\n")
    try:
        stream = there.start(["sleep", "60"])
        try:
            assert read_process(stream.pid) is not None
            assert stream.pid != 1
            assert stream.errors() == b"isolation pid 1\nwelcome to isolation"
        finally:
            stream.kill()
    finally:
        rc.unlink()


def test_an_account_without_a_shell_says_so(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        config = "ForceCommand echo This account is closed. >&2; exit 1\n"
        closed = stack.enter_context(sshd.serving(tmp_path, config=config))
        connection = stack.enter_context(contextlib.closing(SshConnection(closed.address, "debian12")))
        for call in (lambda: connection.run(["true"], 60), lambda: connection.start(["true"])):
            with pytest.raises(IsolationError, match="cannot run 'true' on 'debian12': This account is closed"):
                call()
