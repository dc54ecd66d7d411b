"""One connection to a machine: what it costs, what stays of it, from where it is reached."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import sshd
from fakes import wait_for

pytest.importorskip("fabric", reason="needs the extra [lab]")

from provisioner.connection.ssh import SshConnection
from provisioner.errors import IsolationError
from provisioner.linux import netns


def test_nagles_algorithm_is_off(there: SshConnection) -> None:
    there.run(["true"], 60)
    endpoint = there._transport().sock

    assert endpoint.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
    assert endpoint.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == 60_000


def test_a_command_costs_four_packets_and_no_second_connection(there: SshConnection, server: sshd.Sshd) -> None:
    there.run(["true"], 60)
    wait_for(lambda: len(there._transport()._channels) == 0)  # or that one's own close is counted
    packetizer = there._transport().packetizer
    sent, real = [], packetizer.send_message
    packetizer.send_message = lambda message: (sent.append(message), real(message))

    assert there.run(["echo", "x"], 60).stdout == b"x\n"
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
        connection.run(["echo", "x"], 60)
    connection.close()
    connection.close()

    wait_for(lambda: count() <= before)
    wait_for(lambda: server.sessions() == [])


def test_a_closed_connection_opens_again(there: SshConnection) -> None:
    there.run(["true"], 60)
    there.close()

    assert there.run(["echo", "again"], 60).stdout == b"again\n"


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
                there = connection.run(["readlink", "/proc/self/ns/net"], 60).stdout.decode().strip()
                assert there == f"net:[{path.stat().st_ino}]" != here
                assert os.readlink("/proc/thread-self/ns/net") == here
            with pytest.raises(IsolationError, match="Connection refused"):
                SshConnection(replace(inside.address, netns=None), "debian12").run(["true"], 60)
    finally:
        netns.delete_netns(name)
    gone_address = replace(inside.address, netns=str(path))
    with pytest.raises(IsolationError, match=r"cannot reach 'debian12': its network namespace '.*': No such file"):
        SshConnection(gone_address, "debian12").run(["true"], 60)
