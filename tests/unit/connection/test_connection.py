"""provisioner.connection.local: commands end in time, their output is bounded, and no process or descriptor is left."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes import gone, wait_for

from provisioner.connection.child import MAX_STDERR
from provisioner.connection.local import MAX_STDOUT, LocalConnection, find_program, last_line
from provisioner.errors import IsolationError

HERE = LocalConnection()


def test_a_command_runs_to_its_end() -> None:
    done = HERE.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 10)

    assert (done.status, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert done.last_words == "err"


def test_without_output_the_last_line_is_the_status() -> None:
    assert HERE.run(["false"], 10).last_words == "exit status 1"


def test_variables_are_added_to_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KEPT", "kept")

    assert HERE.run(["sh", "-c", "echo $KEPT $ADDED"], 10, {"ADDED": "added"}).stdout == b"kept added\n"


def test_a_command_has_no_input() -> None:
    assert HERE.run(["cat"], 10).status == 0


def test_a_command_that_does_not_end_is_killed() -> None:
    started = time.monotonic()

    with pytest.raises(IsolationError, match="cannot run 'sleep': no end after 0 s"):
        HERE.run(["sleep", "60"], 0.2)

    assert time.monotonic() - started < 30


def test_a_missing_program_is_an_error() -> None:
    with pytest.raises(IsolationError, match="cannot run 'no-such-program': no such program on PATH") as error:
        HERE.run(["no-such-program"], 10)

    assert error.value.hint == "install no-such-program"


def test_output_is_bounded_and_the_command_ends() -> None:
    size = MAX_STDOUT + (1 << 20)

    done = HERE.run(["sh", "-c", f"head -c {size} /dev/zero; head -c {size} /dev/zero >&2"], 20)

    assert (done.status, len(done.stdout), len(done.stderr)) == (0, MAX_STDOUT, MAX_STDERR)


def test_a_stream_passes_bytes_both_ways() -> None:
    data = os.urandom(1 << 20)
    stream = HERE.start(["sh", "-c", "head -c 1048576 >/dev/null; echo taken; cat"])
    try:
        stream.write(data)
        assert stream.read() == b"taken\n"
        stream.write(b"more")
        assert stream.read() == b"more"
        stream.end_input()
        assert stream.read() == b""
        assert stream.wait(60) == 0
    finally:
        stream.kill()


def test_a_stream_starts_in_its_folder(tmp_path: Path) -> None:
    stream = HERE.start(["pwd"], cwd=str(tmp_path))
    try:
        assert stream.read() == f"{tmp_path}\n".encode()
    finally:
        stream.kill()


def test_writing_to_an_ended_command_is_an_error() -> None:
    stream = HERE.start(["true"])
    try:
        stream.wait(60)
        with pytest.raises(OSError):
            stream.write(b"x" * 100_000)
    finally:
        stream.kill()


def test_a_second_kill_does_nothing() -> None:
    stream = HERE.start(["sleep", "60"])

    stream.kill()
    stream.kill()

    assert stream.wait(0) == -signal.SIGKILL
    assert gone(stream.pid)
    assert stream.read() == b""


def test_kill_ends_the_process_group() -> None:
    stream = HERE.start(["sh", "-c", "sleep 60 & echo $!; wait"])
    child = int(stream.read())

    stream.kill()

    wait_for(lambda: gone(child))


def test_a_signal_of_the_terminal_does_not_reach_it() -> None:
    stream = HERE.start(["sleep", "60"])
    try:
        assert os.getsid(stream.pid) == stream.pid != os.getsid(0)
    finally:
        stream.kill()


def test_no_descriptor_stays_open() -> None:
    def count() -> int:
        return len(os.listdir("/proc/self/fd"))

    HERE.run(["true"], 10)
    before = count()
    for _ in range(20):
        HERE.run(["echo", "x"], 10)

    wait_for(lambda: count() <= before)


def test_pdeathsig_waits_for_the_interpreter_not_for_a_thread() -> None:
    """PR_SET_PDEATHSIG fires when the thread that forked ends: ours lives as long as the interpreter."""
    code = (
        "import threading, sys\n"
        "from provisioner.connection.local import LocalConnection\n"
        "def work():\n"
        "    s = LocalConnection().start(['setpriv', '--pdeathsig', 'KILL', 'sh', '-c', 'echo up; exec sleep 60'])\n"
        "    s.read(); print(s.pid, flush=True)\n"
        "t = threading.Thread(target=work); t.start(); t.join()\n"
        "sys.stdin.read()\n"
    )
    if find_program("setpriv") is None:
        pytest.skip("needs setpriv of util-linux")
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as owner:
        assert owner.stdout is not None
        pid = int(owner.stdout.readline())
        assert not gone(pid)
        owner.kill()

    wait_for(lambda: gone(pid))


def test_programs_in_sbin_folders_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")

    assert find_program("ldconfig") is not None or not any(
        map(os.path.exists, ("/sbin/ldconfig", "/usr/sbin/ldconfig"))
    )
    assert find_program("no-such-program") is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (b"", ""),
        (b"\n \n", ""),
        (b"one\ntwo\n\n", "two"),
        (b"a\x1b[31mred\x07", "a?[31mred?"),
        (b"\xff\xfe", r"\xff\xfe"),
        (b"x" * 1000, "x" * 300),
    ],
)
def test_the_last_line_is_printable(text: bytes, line: str) -> None:
    assert last_line(text) == line
