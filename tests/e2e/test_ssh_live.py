"""provisioner.ssh against a real sshd on loopback: trust, bytes, ends, loss, and the probe's protocol."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sshd
from fakes import wait_for

pytest.importorskip("fabric", reason="needs the extra [lab]")

from provisioner import netns, ssh_login
from provisioner.connection import MAX_STDERR, MAX_STDOUT, ConnectionLost
from provisioner.errors import IsolationError
from provisioner.probe.build import probe_binary
from provisioner.processes import read_process
from provisioner.sandboxes.channel import Channel
from provisioner.ssh import SshConnection
from provisioner.ssh_login import fingerprint, parse_host_key

pytestmark = pytest.mark.skipif(not sshd.is_there(), reason="needs sshd and ssh-keygen")
NASTY = ["; id", "$(id)", "`id`", "a\nb\n", "", "'", '"', "\\", "*", "\udcff\udcfe", "--", "\r", "!!"]
DROP = 'kill -KILL "$PPID"'  # the shell's parent is the sshd that serves this connection
MEGABYTE = 1 << 20


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sshd.Sshd]:
    with sshd.serving(tmp_path_factory.mktemp("sshd")) as one:
        yield one


@pytest.fixture
def there(server: sshd.Sshd) -> Iterator[SshConnection]:
    wait_for(lambda: server.sessions() == [])  # sshd ends the session of a connection a little after it was closed
    connection = SshConnection(server.address, "debian12")
    with contextlib.closing(connection):
        yield connection


def gone(pid: int) -> bool:
    return read_process(pid) is None


# --- trust


def test_another_host_key_is_refused_at_once(
    server: sshd.Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = count_calls(monkeypatch, "_try")
    other = sshd.make_key(tmp_path / "other").with_suffix(".pub").read_text()
    address = replace(server.address, host_key=other)

    with pytest.raises(IsolationError, match="cannot trust 'debian12': its host key is") as error:
        SshConnection(address, "debian12").run(["true"], 10, retry=True)

    for key in (server.address.host_key, other):
        assert fingerprint(parse_host_key(key, "")[1]) in str(error.value)
    assert len(tries) == 1
    wait_for(lambda: server.sessions() == [])


def test_a_host_key_of_another_type_is_refused(server: sshd.Sshd, tmp_path: Path) -> None:
    ecdsa = tmp_path / "ecdsa"
    sshd.make_key(ecdsa, "ecdsa")
    address = replace(server.address, host_key=ecdsa.with_suffix(".pub").read_text())

    with pytest.raises(IsolationError, match="cannot trust 'debian12'"):
        SshConnection(address, "debian12").run(["true"], 10)


def test_a_key_that_is_not_authorized_is_refused_at_once(
    server: sshd.Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = count_calls(monkeypatch, "_try")
    address = replace(server.address, private_key=sshd.make_key(tmp_path / "stranger"))

    with pytest.raises(IsolationError, match=r"cannot log in to 'debian12' as '.*': key SHA256:.* was refused"):
        SshConnection(address, "debian12").run(["true"], 10)

    assert len(tries) == 1


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), (b"", "no private key"), (b"ssh-ed25519 AAAA", "no private key")]
)
def test_a_private_key_that_cannot_be_read_is_named(
    server: sshd.Sshd, tmp_path: Path, content: bytes | None, why: str
) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)

    with pytest.raises(IsolationError, match=f"cannot log in to 'debian12': key '{key}': .*{why}"):
        SshConnection(replace(server.address, private_key=key), "debian12").run(["true"], 10)


def test_the_users_own_ssh_and_fabric_are_not_read(
    server: sshd.Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of these alone would lead the connection astray: another port, a proxy, the key of a stranger trusted."""
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh/config").write_text("Host *\n  Port 1\n  User nobody\n  ProxyCommand false\n  ForwardAgent yes\n")
    (tmp_path / ".fabric.yaml").write_text("port: 1\nuser: nobody\nconnect_kwargs: {password: x}\n")
    shutil.copy(server.address.private_key, tmp_path / ".ssh/id_ed25519")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("FABRIC_PORT", "1")
    monkeypatch.setenv("SSH_AUTH_SOCK", str(tmp_path / "agent"))

    with contextlib.closing(SshConnection(server.address, "debian12")) as connection:
        assert connection.run(["sh", "-c", "echo ${SSH_AUTH_SOCK-none}"], 10).stdout == b"none\n"
    stranger = replace(server.address, private_key=sshd.make_key(tmp_path / "stranger"))
    with pytest.raises(IsolationError, match="was refused"):
        SshConnection(stranger, "debian12").run(["true"], 10)


def test_nobody_at_the_address_is_told_after_a_few_tries(monkeypatch: pytest.MonkeyPatch, server: sshd.Sshd) -> None:
    tries = count_calls(monkeypatch, "open_socket")
    monkeypatch.setattr(ssh_login, "PAUSE", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]

    with pytest.raises(IsolationError, match=f"cannot reach 'debian12' at 127.0.0.1 port {port}: Connection refused"):
        SshConnection(replace(server.address, port=port), "debian12").run(["true"], 10)

    assert len(tries) == ssh_login.TRIES


def test_a_machine_that_accepts_and_says_nothing_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, server: sshd.Sshd, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ssh_login, "deadline", lambda name: 1.0)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = replace(server.address, port=mute.getsockname()[1])
        started = time.monotonic()

        with pytest.raises(IsolationError, match="cannot reach 'debian12'"):
            SshConnection(address, "debian12").run(["true"], 10)

    assert time.monotonic() - started < 12  # the library's own patience is 15
    assert "Traceback" not in capfd.readouterr().err


def test_a_machine_that_is_late_is_reached(monkeypatch: pytest.MonkeyPatch, server: sshd.Sshd) -> None:
    """A booting guest: the first connection is accepted and ended without a word."""
    real = ssh_login.open_socket
    with socket.create_server(("127.0.0.1", 0)) as early:
        booting = iter([replace(server.address, port=early.getsockname()[1])])
        monkeypatch.setattr(ssh_login, "open_socket", lambda address, *rest: real(next(booting, server.address), *rest))
        hang_up = threading.Thread(target=lambda: early.accept()[0].close())
        hang_up.start()
        with contextlib.closing(SshConnection(server.address, "debian12")) as connection:
            assert connection.run(["echo", "up"], 10).stdout == b"up\n"
        hang_up.join()


# --- the connection


def test_nagles_algorithm_is_off(there: SshConnection) -> None:
    there.run(["true"], 10)
    endpoint = there._transport().sock

    assert endpoint.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert endpoint.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_a_command_costs_four_packets_and_no_second_connection(there: SshConnection, server: sshd.Sshd) -> None:
    there.run(["true"], 10)
    wait_for(lambda: len(there._transport()._channels) == 0)  # or that one's own close is counted
    packetizer = there._transport().packetizer
    sent, real = [], packetizer.send_message
    packetizer.send_message = lambda message: (sent.append(message), real(message))

    assert there.run(["echo", "x"], 10).stdout == b"x\n"
    wait_for(lambda: len(sent) == 4)  # open, exec, end of input, close
    assert len(server.sessions()) == 1


def test_the_first_use_of_many_at_once_opens_one_connection(server: sshd.Sshd) -> None:
    wait_for(lambda: server.sessions() == [])
    with contextlib.closing(SshConnection(server.address, "debian12")) as connection, ThreadPoolExecutor(16) as pool:
        numbers = list(pool.map(lambda n: connection.run(["echo", str(n)], 60).stdout, range(64)))
        sessions = server.sessions()

    assert numbers == [b"%d\n" % n for n in range(64)]
    assert len(sessions) == 1


def test_nothing_stays_open(server: sshd.Sshd) -> None:
    def count() -> tuple[int, int]:
        return len(os.listdir("/proc/self/fd")), threading.active_count()

    before = count()
    connection = SshConnection(server.address, "debian12")
    for _ in range(20):
        connection.run(["echo", "x"], 10)
    connection.close()
    connection.close()

    wait_for(lambda: count() <= before)
    wait_for(lambda: server.sessions() == [])


def test_a_closed_connection_opens_again(there: SshConnection) -> None:
    there.run(["true"], 10)
    there.close()

    assert there.run(["echo", "again"], 10).stdout == b"again\n"


@pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nsenter"), reason="making a network namespace that stays needs root, nsenter"
)
def test_a_machine_in_a_network_namespace_is_reached_from_outside(tmp_path: Path) -> None:
    name = f"iso-ssh-{os.getpid()}"
    here = os.readlink("/proc/thread-self/ns/net")
    path = netns.make_netns(name)
    try:
        with sshd.serving(tmp_path, netns=path) as inside:
            with contextlib.closing(SshConnection(inside.address, "debian12")) as connection:
                there = connection.run(["readlink", "/proc/self/ns/net"], 10).stdout.decode().strip()
                assert there == f"net:[{path.stat().st_ino}]" != here
                assert os.readlink("/proc/thread-self/ns/net") == here
            with pytest.raises(IsolationError, match="Connection refused"):
                SshConnection(replace(inside.address, netns=None), "debian12").run(["true"], 10)
    finally:
        netns.delete_netns(name)
    gone_address = replace(inside.address, netns=str(path))
    with pytest.raises(IsolationError, match=r"cannot reach 'debian12': its network namespace '.*': No such file"):
        SshConnection(gone_address, "debian12").run(["true"], 10)


# --- commands


def test_a_command_is_run_to_its_end(there: SshConnection) -> None:
    done = there.run(["sh", "-c", "echo out; echo err >&2; exit 3"], 10)

    assert (done.status, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert done.argv == ("sh", "-c", "echo out; echo err >&2; exit 3")


@pytest.mark.parametrize(("name", "number"), [("KILL", 9), ("HUP", 1), ("TERM", 15), ("SEGV", 11)])
def test_an_end_by_signal_reads_as_it_does_here(there: SshConnection, name: str, number: int) -> None:
    assert there.run(["sh", "-c", f"kill -{name} $$"], 10).status == -number


def test_a_signal_that_ssh_has_no_name_for_is_an_end_by_signal(there: SshConnection) -> None:
    assert there.run(["sh", "-c", "kill -BUS $$"], 10).status == ssh_login.UNKNOWN_SIGNAL


def test_a_command_has_no_input_and_no_terminal(there: SshConnection) -> None:
    assert there.run(["cat"], 10).status == 0
    assert there.run(["sh", "-c", "test -t 0 || test -t 1 || test -t 2"], 10).status == 1


def test_nasty_arguments_arrive_as_they_are(there: SshConnection) -> None:
    done = there.run(["printf", r"%s\0", *NASTY], 10)

    assert done.stdout == b"".join(os.fsencode(part) + b"\0" for part in NASTY)


def test_variables_are_added_to_the_environment(there: SshConnection) -> None:
    env = {"ADDED": "a 'b' $(id)\nc", "EMPTY": ""}

    done = there.run(["sh", "-c", 'printf %s "$ADDED"; echo "${EMPTY-unset}${USER:+kept}"'], 10, env)

    assert done.stdout == b"a 'b' $(id)\nckept\n"
    with pytest.raises(IsolationError, match="'A;id' cannot name a variable"):
        there.run(["true"], 10, {"A;id": ""})


def test_a_nul_byte_in_an_argument_is_refused(there: SshConnection) -> None:
    with pytest.raises(IsolationError, match="cannot run 'echo' on 'debian12': an argument holds a NUL byte"):
        there.run(["echo", "a\0b"], 10)


def test_a_program_that_is_not_there_is_named(there: SshConnection) -> None:
    for call in (lambda: there.run(["no-such-program"], 10), lambda: there.start(["no-such-program"])):
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

    with pytest.raises(IsolationError, match="cannot run 'sh' on 'debian12': no end after 1 s"):
        there.run(["sh", "-c", script], 1)

    assert time.monotonic() - started < 60
    pids = [int(line) for line in (tmp_path / "pid").read_text().split()]
    assert len(pids) == 2
    wait_for(lambda: all(map(gone, pids)))
    assert there.run(["echo", "on"], 10).stdout == b"on\n"


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
        for call in (lambda: connection.run(["true"], 10), lambda: connection.start(["true"])):
            with pytest.raises(IsolationError, match="cannot run 'true' on 'debian12': This account is closed"):
                call()


# --- streams


def test_a_megabyte_of_any_bytes_goes_there_and_comes_back(there: SshConnection) -> None:
    data = os.urandom(MEGABYTE) + bytes(range(256))
    stream = there.start(["cat"])
    try:
        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(lambda: b"".join(iter(stream.read, b"")))
            stream.write(data)
            stream.end_input()
            back = reading.result(60)
        assert back == data
        assert stream.wait(5) == 0
    finally:
        stream.kill()


def test_a_stream_takes_and_gives_bytes(there: SshConnection) -> None:
    stream = there.start(["sh", "-c", "head -c 1048576 >/dev/null; echo taken; echo err >&2; cat"])
    try:
        stream.write(os.urandom(MEGABYTE))
        assert stream.read() == b"taken\n"
        assert stream.wait(0) is None
        stream.write(b"more\0")
        assert stream.read() == b"more\0"
        stream.end_input()
        assert stream.read() == b""
        assert stream.wait(5) == 0
        assert stream.errors() == b"err\n"
    finally:
        stream.kill()


def test_a_stream_starts_in_the_folder_named(there: SshConnection, tmp_path: Path) -> None:
    stream = there.start(["pwd"], cwd=str(tmp_path))
    try:
        assert stream.read() == f"{tmp_path}\n".encode()
    finally:
        stream.kill()
    with pytest.raises(IsolationError, match="cannot run 'pwd' on 'debian12': no such folder"):
        there.start(["pwd"], cwd="/no/such")


def test_writing_to_what_has_ended_is_an_error(there: SshConnection) -> None:
    stream = there.start(["true"])
    try:
        assert stream.wait(5) == 0
        wait_for(lambda: stream.read() == b"")
        with pytest.raises(OSError):
            for _ in range(100):
                stream.write(b"x" * 100_000)
    finally:
        stream.kill()


def test_writing_to_what_does_not_read_ends_in_time(there: SshConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.ssh_stream.deadline", lambda name: 0.5 if name == "write" else 10.0)
    stream = there.start(["sleep", "60"])
    try:
        with pytest.raises(TimeoutError, match="does not read"):
            stream.write(b"x" * 10 * MEGABYTE)
    finally:
        stream.kill()


def test_killing_ends_it_and_may_be_repeated(there: SshConnection) -> None:
    stream = there.start(["sleep", "60"])
    assert not gone(stream.pid)

    stream.kill()
    stream.kill()

    assert stream.wait(0) == -signal.SIGKILL
    assert gone(stream.pid)
    assert stream.read() == b""


def test_ten_streams_fill_a_machine_and_killing_still_works(there: SshConnection) -> None:
    streams = [there.start(["sleep", "60"]) for _ in range(10)]  # sshd's own MaxSessions
    try:
        with pytest.raises(IsolationError, match="it gives no further session"):
            there.run(["true"], 0.5)
    finally:
        for stream in streams:
            stream.kill()

    wait_for(lambda: all(gone(stream.pid) for stream in streams), 5)
    assert there.run(["echo", "on"], 10).stdout == b"on\n"


# --- loss


def test_a_lost_connection_is_one_line_and_the_next_call_connects_again(there: SshConnection) -> None:
    with pytest.raises(ConnectionLost, match="cannot run 'sh' on 'debian12': connection lost"):
        there.run(["sh", "-c", f"{DROP}; sleep 1"], 30)

    assert there.run(["echo", "again"], 10).stdout == b"again\n"


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
        stream.wait(5)
    with pytest.raises(OSError):
        stream.write(b"x" * MEGABYTE)
    stream.kill()
    wait_for(lambda: gone(stream.pid))  # its input ended


def test_a_connection_lost_between_two_commands_is_not_noticed(there: SshConnection, server: sshd.Sshd) -> None:
    """Nothing had been asked for yet, so that also what creates may go on."""
    for _ in range(3):
        there.run(["true"], 10)
        for pid in server.sessions():
            os.kill(pid, signal.SIGKILL)
        assert there.run(["echo", "again"], 10).stdout == b"again\n"


# --- files


@pytest.mark.parametrize("data", [b"", b"text\n", bytes(range(256)), os.urandom(MEGABYTE)])
def test_a_file_is_put_in_place(there: SshConnection, tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a 'file' $(id)"
    path.write_bytes(b"old")
    path.chmod(0o777)

    there.put(str(path), data, 0o640, f"{os.getuid()}:{os.getgid()}")

    assert path.read_bytes() == data
    assert path.stat().st_mode & 0o7777 == 0o640
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.skipif(os.geteuid() != 0, reason="giving a file away needs root")
def test_an_owner_does_not_cost_the_mode(there: SshConnection, tmp_path: Path) -> None:
    there.put(str(tmp_path / "file"), b"x", 0o4755, "daemon:sys")

    state = (tmp_path / "file").stat()
    assert (state.st_uid, state.st_gid, state.st_mode & 0o7777) == (1, 3, 0o4755)


def test_a_file_that_cannot_be_put_says_why(there: SshConnection, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()

    with pytest.raises(IsolationError, match=r"cannot write '/no/such/file' on 'debian12': .*(No such|nonexistent)"):
        there.put("/no/such/file", b"x" * MEGABYTE)
    with pytest.raises(IsolationError, match="it is a folder"):
        there.put(str(tmp_path / "folder"), b"x")
    with pytest.raises(IsolationError, match="no-such-user"):
        there.put(str(tmp_path / "file"), b"x", owner="no-such-user")
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_a_file_cut_short_by_a_lost_connection_is_not_put(
    there: SshConnection, server: sshd.Sshd, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    there.run(["true"], 10)

    def cut() -> None:
        wait_for(lambda: any(file.stat().st_size for file in tmp_path.glob("*.new")))
        for pid in server.sessions():
            os.kill(pid, signal.SIGKILL)

    with ThreadPoolExecutor(1) as pool:
        cutting = pool.submit(cut)
        with pytest.raises(ConnectionLost, match=f"cannot write '{path}' on 'debian12': connection lost"):
            there.put(str(path), bytes(64 * MEGABYTE))
        cutting.result()

    wait_for(lambda: [file.name for file in tmp_path.iterdir()] == ["file"])
    assert path.read_bytes() == b"old"


def test_a_file_that_takes_too_long_leaves_nothing(there: SshConnection, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\nread line <{tmp_path}/pipe\n")
    slow.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/chmod").symlink_to(slow)
    (tmp_path / "out").mkdir()
    real = there._run

    def slowly(argv: list[str], timeout: float, env: dict[str, str] | None, data: bytes = b"") -> object:
        return real(argv, timeout, {"PATH": f"{tmp_path}/bin:/usr/bin:/bin"}, data)

    there._run = slowly  # type: ignore[method-assign, assignment]

    with pytest.raises(IsolationError, match="no end after"):
        there.put(str(tmp_path / "out/file"), b"x", timeout=1)

    assert list((tmp_path / "out").iterdir()) == []


# --- the probe's protocol


@pytest.fixture
def probe(there: SshConnection) -> Iterator[Channel]:
    nonce = secrets.token_hex(8)
    stream = there.start([str(probe_binary().path), "serve", nonce])
    try:
        yield Channel(stream, nonce, "debian12", 20)
    finally:
        stream.kill()


def test_a_probe_serves_a_session(probe: Channel) -> None:
    assert probe.request("run", "sh", "-c", "echo out; exit 3", deadline=10).ended == "exit 3"
    assert probe.probe_hash


def test_a_million_bytes_go_through_a_probe(probe: Channel) -> None:
    data = os.urandom(1_000_000)

    reply = probe.request("echo", deadline=60, bound=1 << 20, data=data)

    assert reply.ok
    assert reply.data == data


def test_sixteen_requests_at_once(probe: Channel) -> None:
    with ThreadPoolExecutor(16) as pool:
        datas = [os.urandom(50_000) for _ in range(48)]
        replies = list(pool.map(lambda data: probe.request("echo", deadline=60, bound=1 << 17, data=data), datas))

    assert [reply.data for reply in replies] == datas


def test_a_probe_ends_with_its_connection(there: SshConnection, server: sshd.Sshd, probe: Channel) -> None:
    for pid in server.sessions():
        os.kill(pid, signal.SIGKILL)

    wait_for(lambda: not probe.alive)
    with pytest.raises(IsolationError, match="its probe ended"):
        probe.request("facts", deadline=5)


def count_calls(monkeypatch: pytest.MonkeyPatch, function: str) -> list[object]:
    calls: list[object] = []
    real = getattr(ssh_login, function)
    monkeypatch.setattr(ssh_login, function, lambda *args: (calls.append(args), real(*args))[1])
    return calls
