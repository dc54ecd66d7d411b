"""Waiting for an SSH server's banner."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from provisioner.machines.wait_ssh import await_banner


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def test_connections_to_a_silent_port_are_spaced(server: socket.socket) -> None:
    asked = 0

    def answer() -> None:
        nonlocal asked
        while asked < 3:
            connection, _ = server.accept()
            asked += 1
            if asked == 3:
                connection.sendall(b"SSH-2.0-test\r\n")
            connection.close()

    thread = threading.Thread(target=answer)
    thread.start()
    started = time.monotonic()

    assert await_banner("127.0.0.1", server.getsockname()[1], started + 30, lambda: True)
    assert time.monotonic() - started > 1.3  # two pauses of 0.7 s
    thread.join()


def test_a_dead_machine_is_not_waited_for(server: socket.socket) -> None:
    started = time.monotonic()

    assert not await_banner("127.0.0.1", server.getsockname()[1], started + 60, lambda: False)
    assert time.monotonic() - started < 30
