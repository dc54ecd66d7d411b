"""Whom a connection trusts, and when it gives up: pinned host key, own key only, bounded tries."""

from __future__ import annotations

import contextlib
import shutil
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest
import sshd
from fakes import wait_for

pytest.importorskip("fabric", reason="needs the extra [lab]")

from provisioner.connection import login as ssh_login
from provisioner.connection.login import fingerprint, parse_host_key
from provisioner.connection.ssh import SshConnection
from provisioner.errors import IsolationError


def test_another_host_key_is_refused_at_once(
    server: sshd.Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = count_calls(monkeypatch, "_try")
    other = sshd.make_key(tmp_path / "other").with_suffix(".pub").read_text()
    address = replace(server.address, host_key=other)

    with pytest.raises(IsolationError, match="cannot trust 'debian12': its host key is") as error:
        SshConnection(address, "debian12").run(["true"], 60, retry=True)

    for key in (server.address.host_key, other):
        assert fingerprint(parse_host_key(key, "")[1]) in str(error.value)
    assert len(tries) == 1
    wait_for(lambda: server.sessions() == [])


def test_a_host_key_of_another_type_is_refused(server: sshd.Sshd, tmp_path: Path) -> None:
    ecdsa = tmp_path / "ecdsa"
    sshd.make_key(ecdsa, "ecdsa")
    address = replace(server.address, host_key=ecdsa.with_suffix(".pub").read_text())

    with pytest.raises(IsolationError, match="cannot trust 'debian12'"):
        SshConnection(address, "debian12").run(["true"], 60)


def test_a_key_that_is_not_authorized_is_refused_at_once(
    server: sshd.Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = count_calls(monkeypatch, "_try")
    address = replace(server.address, private_key=sshd.make_key(tmp_path / "stranger"))

    with pytest.raises(IsolationError, match=r"cannot log in to 'debian12' as '.*': key SHA256:.* was refused"):
        SshConnection(address, "debian12").run(["true"], 60)

    assert len(tries) == 1


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), (b"", "not a private key"), (b"ssh-ed25519 AAAA", "not a private key")]
)
def test_a_private_key_that_cannot_be_read_is_named(
    server: sshd.Sshd, tmp_path: Path, content: bytes | None, why: str
) -> None:
    key = tmp_path / "key"
    if content is not None:
        key.write_bytes(content)

    with pytest.raises(IsolationError, match=f"cannot log in to 'debian12': key '{key}': .*{why}"):
        SshConnection(replace(server.address, private_key=key), "debian12").run(["true"], 60)


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
        assert connection.run(["sh", "-c", "echo ${SSH_AUTH_SOCK-none}"], 60).stdout == b"none\n"
    stranger = replace(server.address, private_key=sshd.make_key(tmp_path / "stranger"))
    with pytest.raises(IsolationError, match="was refused"):
        SshConnection(stranger, "debian12").run(["true"], 60)


def test_nobody_at_the_address_is_told_after_a_few_tries(monkeypatch: pytest.MonkeyPatch, server: sshd.Sshd) -> None:
    tries = count_calls(monkeypatch, "open_socket")
    monkeypatch.setattr(ssh_login, "PAUSE", 0.01)
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]

    with pytest.raises(IsolationError, match=f"cannot reach 'debian12' at 127.0.0.1 port {port}: Connection refused"):
        SshConnection(replace(server.address, port=port), "debian12").run(["true"], 60)

    assert len(tries) == ssh_login.TRIES


def test_a_machine_that_accepts_and_says_nothing_ends_in_time(
    monkeypatch: pytest.MonkeyPatch, server: sshd.Sshd, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(ssh_login, "deadline", lambda name: 1.0)
    with socket.create_server(("127.0.0.1", 0)) as mute:
        address = replace(server.address, port=mute.getsockname()[1])
        started = time.monotonic()

        with pytest.raises(IsolationError, match="cannot reach 'debian12'"):
            SshConnection(address, "debian12").run(["true"], 60)

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
            assert connection.run(["echo", "up"], 60).stdout == b"up\n"
        hang_up.join()


def count_calls(monkeypatch: pytest.MonkeyPatch, function: str) -> list[object]:
    calls: list[object] = []
    real = getattr(ssh_login, function)
    monkeypatch.setattr(ssh_login, function, lambda *args: (calls.append(args), real(*args))[1])
    return calls
