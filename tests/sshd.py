"""A real sshd of the test's own: a port on loopback, its own keys and configuration, ended by its pid.

Used by tests/e2e/lab/ssh and bench/ssh.py.  It reads and writes nothing of the machine's own SSH,
and its sessions have a home folder of their own: a user's .bashrc may take a tenth of a second.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from provisioner.connection.address import SshAddress
from provisioner.connection.local import find_program

CONFIG = """\
HostKey {folder}/host
AuthorizedKeysFile {folder}/user.pub
PidFile none
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
LogLevel ERROR
SetEnv HOME={folder}
"""


@dataclass
class Sshd:
    """A running sshd; `address` is how to reach it."""

    address: SshAddress
    process: subprocess.Popen[bytes]
    folder: Path
    log: Path = field(init=False)

    def sessions(self) -> list[int]:
        """Return the processes that serve one connection each."""
        pid = self.process.pid
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def is_there() -> bool:
    return bool(find_program("sshd") and shutil.which("ssh-keygen"))


def make_key(path: Path, kind: str = "ed25519") -> Path:
    """Make a key without a passphrase; its public half stands beside it."""
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "test", "-f", str(path)]
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL, timeout=300)
    return path


@contextlib.contextmanager
def serving(folder: Path, netns: Path | None = None, config: str = "") -> Iterator[Sshd]:
    """Start an sshd, wait until it listens, and end it with all its connections."""
    host, user = make_key(folder / "host"), make_key(folder / "user")
    (folder / "sshd_config").write_text(CONFIG.format(folder=folder) + config)
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # where sshd confines itself before login
    port = _free_port()
    binary = find_program("sshd")
    assert binary is not None
    argv = [binary, "-D", "-e", "-f", str(folder / "sshd_config"), "-p", str(port), "-o", "ListenAddress=127.0.0.1"]
    enter = ["nsenter", f"--net={netns}"] if netns else []
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([*enter, *argv], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    public = " ".join(host.with_suffix(".pub").read_text().split()[:2])
    address = SshAddress("127.0.0.1", port, getpass.getuser(), user, public, str(netns) if netns else None)
    server = Sshd(address, process, folder)
    try:
        _await_listening(process, port)
        yield server
    finally:
        for session in server.sessions() if process.poll() is None else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(session, 9)
        process.kill()
        process.wait(10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as one:
        port: int = one.getsockname()[1]
        return port


def _await_listening(process: subprocess.Popen[bytes], port: int) -> None:
    """Read the process's own table of sockets: connecting would cost it a fork, and it may be in another namespace."""
    wanted = f"0100007F:{port:04X} 00000000:0000 0A"
    until = time.monotonic() + 60
    while wanted not in Path(f"/proc/{process.pid}/net/tcp").read_text():
        assert process.poll() is None, "sshd ended"
        assert time.monotonic() < until, "sshd does not listen"
        time.sleep(0.02)
