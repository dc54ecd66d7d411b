"""The QMP client, against a fake QEMU."""

from __future__ import annotations

import json
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.machines.qemu.qmp import Qmp


@pytest.fixture
def monitor(tmp_path: Path) -> Iterator[Path]:
    """A QMP server that knows only monitor commands; its path is too long for sun_path."""
    folder = tmp_path / ("x" * 100)
    folder.mkdir()
    here = os.open(folder, os.O_PATH)
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"/proc/self/fd/{here}/qmp.sock")
    server.listen()

    def serve() -> None:
        connection, _ = server.accept()
        with connection, connection.makefile("rwb", buffering=0) as stream:
            stream.write(b'{"QMP": {}}\n')
            for line in stream:
                command = json.loads(line)["execute"]
                stream.write(b'{"event": "RESUME"}\n')
                known = {"qmp_capabilities": {}, "human-monitor-command": "a\r\nb"}
                answer = {"return": known[command]} if command in known else {"error": {"desc": "no such"}}
                stream.write(json.dumps(answer).encode() + b"\n")

    thread = threading.Thread(target=serve)
    thread.start()
    yield folder / "qmp.sock"
    thread.join(10)
    server.close()
    os.close(here)


def test_events_are_skipped_and_a_refusal_is_quoted(monitor: Path) -> None:
    with Qmp(monitor, 10) as qmp:
        assert qmp.monitor("info usernet") == "a\nb"
        with pytest.raises(IsolationError, match="cannot ask QEMU for 'nosuch': no such"):
            qmp.execute("nosuch")
