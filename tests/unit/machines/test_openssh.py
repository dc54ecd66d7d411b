"""The argument list of ssh, as `ssh -G` and a remote shell read it."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.connection.address import SshAddress
from provisioner.errors import IsolationError
from provisioner.machines.openssh import render_remote, render_ssh, write_known_hosts

ADDRESS = SshAddress("127.0.0.1", 2222, "root", Path("/keys/login"), "ssh-ed25519 AAAA")
AWKWARD = ["a b", "*", "$HOME", "'", '"', "\\", "-oProxyCommand=x", "", "ä\n;", "`id`"]


@pytest.mark.skipif(shutil.which("ssh") is None, reason="apt-get install openssh-client")
def test_only_the_machines_keys_are_used(tmp_path: Path) -> None:
    folder = tmp_path / "50% of it"
    folder.mkdir()
    address = replace(ADDRESS, private_key=folder / "login")
    argv = render_ssh(address, folder / "known_hosts")
    shown = subprocess.run([argv[0], "-G", *argv[1:]], capture_output=True, text=True, timeout=300, check=True)
    options = dict(line.split(" ", 1) for line in shown.stdout.splitlines() if " " in line)

    assert (options["hostname"], options["port"], options["user"]) == ("127.0.0.1", "2222", "root")
    assert options["hostkeyalias"] == "machine"
    assert options["stricthostkeychecking"] == "true"
    assert (options["identitiesonly"], options["identityagent"]) == ("yes", "none")
    assert options["globalknownhostsfile"] == "/dev/null"
    # the name of the folder is not a token of ssh's
    assert options["userknownhostsfile"].replace("%%", "%") == str(folder / "known_hosts")
    assert options["identityfile"].replace("%%", "%") == str(folder / "login")


def test_a_machine_in_a_namespace_is_reached_by_nsenter() -> None:
    argv = render_ssh(replace(ADDRESS, netns="/run/netns/lab"), Path("/known"), "true")

    assert argv[:4] == ["nsenter", "--net=/run/netns/lab", "--", "ssh"]


def test_a_command_is_not_read_as_an_option() -> None:
    argv = render_ssh(ADDRESS, Path("/known"), "-oProxyCommand=x")

    assert argv[-3:] == ["--", "127.0.0.1", "-oProxyCommand=x"]


def test_with_a_deadline_ssh_asks_nothing() -> None:
    assert "BatchMode=yes" in render_ssh(ADDRESS, Path("/known"), seconds=5)
    assert "BatchMode=yes" not in render_ssh(ADDRESS, Path("/known"))


def test_each_word_arrives_unchanged() -> None:
    line = render_remote(["printf", "%s\\0", *AWKWARD])
    done = subprocess.run(["sh", "-c", line], capture_output=True, timeout=300, check=True)

    assert done.stdout.decode().split("\0")[:-1] == AWKWARD


def test_a_nul_byte_is_refused() -> None:
    with pytest.raises(IsolationError, match="cannot run 'echo': an argument holds a NUL byte"):
        render_remote(["echo", "a\0b"])


def test_known_hosts_has_one_key(tmp_path: Path) -> None:
    write_known_hosts(ADDRESS, tmp_path / "known_hosts")

    assert (tmp_path / "known_hosts").read_text() == "machine ssh-ed25519 AAAA\n"
    assert [path.name for path in tmp_path.iterdir()] == ["known_hosts"]
