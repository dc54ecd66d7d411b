"""Files put through SSH: whole or not at all, with mode and owner."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sshd
from fakes import wait_for

pytest.importorskip("fabric", reason="needs the extra [lab]")

from provisioner.connection.local import ConnectionLost
from provisioner.connection.ssh import SshConnection
from provisioner.errors import IsolationError

MEGABYTE = 1 << 20


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
    with pytest.raises(IsolationError, match="is a folder"):
        there.put(str(tmp_path / "folder"), b"x")
    with pytest.raises(IsolationError, match="no-such-user"):
        there.put(str(tmp_path / "file"), b"x", owner="no-such-user")
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_a_file_cut_short_by_a_lost_connection_is_not_put(
    there: SshConnection, server: sshd.Sshd, tmp_path: Path
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    there.run(["true"], 60)

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
