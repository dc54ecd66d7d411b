"""Streams over SSH, and the protocol of the probe on them."""

from __future__ import annotations

import os
import secrets
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sshd
from fakes import gone, wait_for

pytest.importorskip("fabric", reason="needs the extra [lab]")

from provisioner.connection.ssh import SshConnection
from provisioner.errors import IsolationError
from provisioner.probe.build import probe_binary
from provisioner.probe.channel import Channel

MEGABYTE = 1 << 20


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
        assert stream.wait(30) == 0
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
        assert stream.wait(30) == 0
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
        assert stream.wait(30) == 0
        wait_for(lambda: stream.read() == b"")
        with pytest.raises(OSError):
            for _ in range(100):
                stream.write(b"x" * 100_000)
    finally:
        stream.kill()


def test_writing_to_what_does_not_read_ends_in_time(there: SshConnection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.connection.stream.deadline", lambda name: 0.5 if name == "write" else 10.0)
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
        with pytest.raises(IsolationError, match="it allows no further session"):
            there.run(["true"], 0.5)
    finally:
        for stream in streams:
            stream.kill()

    wait_for(lambda: all(gone(stream.pid) for stream in streams))
    assert there.run(["echo", "on"], 60).stdout == b"on\n"


@pytest.fixture
def probe(there: SshConnection) -> Iterator[Channel]:
    nonce = secrets.token_hex(8)
    stream = there.start([str(probe_binary().path), "serve", nonce])
    try:
        yield Channel(stream, nonce, "debian12", 60)
    finally:
        stream.kill()


def test_a_probe_serves_a_session(probe: Channel) -> None:
    assert probe.request("run", "sh", "-c", "echo out; exit 3", deadline=60).ended == "exit 3"
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
        probe.request("facts", deadline=60)
