"""provisioner.linux.netns on this kernel: a loopback of its own, and all that lives in it goes with it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.linux import netns
from provisioner.linux.mounts import mounted_below

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0 or not shutil.which("nsenter"), reason="making a network namespace that stays needs root, nsenter"
)
NAME = f"iso-test-{os.getpid()}"
FOREIGN_LISTENER = (
    "import socket, sys; s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen(); print(flush=True); input()"
)


@pytest.mark.parametrize("iproute2", [True, False])
def test_loopback_is_up_and_everything_goes(iproute2: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not iproute2:
        which = shutil.which
        monkeypatch.setattr(shutil, "which", lambda name: None if name == "ip" else which(name))
    path = netns.make_netns(NAME)
    try:
        enter = ["nsenter", f"--net={path}"]
        done = subprocess.run(
            [*enter, "cat", "/proc/net/if_inet6", "/proc/net/route", "/proc/net/dev"],
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert "lo:" in done.stdout
        assert "eth" not in done.stdout
        up = "import socket; s = socket.create_server(('127.0.0.1', 0)); socket.create_connection(s.getsockname(), 2)"
        subprocess.run([*enter, sys.executable, "-c", up], check=True, timeout=300)
        with pytest.raises(IsolationError, match="exists already"):
            netns.make_netns(NAME)
        argv = [*enter, sys.executable, "-c", FOREIGN_LISTENER, str(tmp_path / "inside")]
        member = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        with member, socket.socket(socket.AF_UNIX) as ours:
            assert member.stdout is not None
            member.stdout.readline()
            ours.bind(str(tmp_path / "outside"))
            assert netns.delete_netns(NAME) is True
            assert member.wait(60) == -9
    finally:
        netns.delete_netns(NAME)

    assert not path.exists()
    assert mounted_below(path) == []
    assert [file.name for file in tmp_path.iterdir()] == ["outside"]
    assert netns.delete_netns(NAME) is False
