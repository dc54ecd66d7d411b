"""How to log in to a machine from a box that Vagrant knows."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.machines.vagrant.login import Login, learn_login, load_login, parse_keyscan
from provisioner.machines.vagrant.output import (
    SshConfig,
)

KEY = "ssh-ed25519 AAAAC3Nz"


def test_the_preferred_host_key_is_chosen() -> None:
    text = f"# a:22 SSH-2.0\n[a]:22 ssh-rsa AAAAB3\n[a]:22 {KEY}\nshort line\n[a]:22 brand-new AAAA\n"

    assert parse_keyscan(text) == KEY
    assert parse_keyscan("[a]:22 ssh-rsa AAAAB3\n") == "ssh-rsa AAAAB3"
    assert parse_keyscan("# nothing\n[a]:22 brand-new AAAA\n") is None


def test_a_host_key_is_learned_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "key").touch()
    shown = [KEY]
    monkeypatch.setattr("provisioner.machines.vagrant.login.scan_host_key", lambda *arguments: shown[0])
    config = SshConfig("10.0.0.1", 2222, "vagrant", (str(tmp_path / "gone"), str(tmp_path / "key")))
    first = learn_login(tmp_path / "web.login", "web", config, "10.0.0.1")
    shown[0] = "ssh-ed25519 AAAAanother"

    assert Login(2222, "vagrant", tmp_path / "key", KEY) == first
    assert first == learn_login(tmp_path / "web.login", "web", config, "10.0.0.1")
    assert first == load_login(tmp_path / "web.login")
    assert (tmp_path / "web.login").stat().st_mode & 0o777 == 0o600


def test_a_login_needs_a_private_key(tmp_path: Path) -> None:
    with pytest.raises(IsolationError, match="cannot log in to machine 'web': Vagrant names no private key"):
        learn_login(tmp_path / "web.login", "web", SshConfig("a", 22, "vagrant", ("/nowhere",)), "a")
    (tmp_path / "web.login").write_text('{"user": "x"}')
    assert load_login(tmp_path / "web.login") is None
