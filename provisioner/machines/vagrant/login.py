"""Learns how a machine is logged in to whose box is not ours: user and key from Vagrant, the host key once from itself.

In: Vagrant's ssh-config, and the machine's address.  Out: a `Login`, kept in the lab's folder.  Called by the machines
that Vagrant makes.  The host key is trusted on first use: it is asked for once, right after the machine was made, and
only that one is accepted from then on.  It is forgotten when the machine is deleted.  Our own boxes need none of this.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.files.atomic import write_whole
from provisioner.machines.vagrant.output import SshConfig

KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")  # the one that is kept: the first that it has
ASKED = "ed25519,ecdsa,rsa"


@dataclass(frozen=True)
class Login:
    """
    How a machine is logged in to.

    Args:
        port: of its SSH server.
        user: whom to log in as.
        private_key: the file of the key that it accepts.
        host_key: the only one of its own to accept, "ssh-ed25519 AAAA…".
    """

    port: int
    user: str
    private_key: Path
    host_key: str


def load_login(file: Path) -> Login | None:
    """Return what was learned, None when nothing was."""
    try:
        entry = json.loads(file.read_text())
        return Login(int(entry["port"]), str(entry["user"]), Path(entry["private_key"]), str(entry["host_key"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def learn_login(file: Path, name: str, config: SshConfig, host: str, enter: Sequence[str] = ()) -> Login:
    """
    Return how a machine is logged in to, and keep it.

    Args:
        file: where; what it holds already is believed, whatever answers now.
        name: the machine's, for errors.
        config: what Vagrant says of it.
        host: its address.
        enter: the arguments in front of a command that reaches it.

    Raises:
        IsolationError: Vagrant names no key that is there, or nothing shows a host key.
    """
    if known := load_login(file):
        return known
    keys = [Path(key) for key in config.keys if Path(key).is_file()]
    if not keys:
        raise IsolationError(
            f"cannot log in to machine '{name}': Vagrant names no private key", "use a box with Vagrant's key in it"
        )
    login = Login(config.port, config.user, keys[0], scan_host_key(name, host, config.port, enter))
    write_whole(file, json.dumps({**vars(login), "private_key": str(login.private_key)}), 0o600)
    return login


def scan_host_key(name: str, host: str, port: int, enter: Sequence[str] = ()) -> str:
    """Ask a machine for its host key; IsolationError when it shows none of a kind that is known."""
    argv = [*enter, "ssh-keyscan", "-T", str(max(1, int(deadline("command") / 4))), "-t", ASKED, "-p", str(port), host]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=deadline("command")
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IsolationError(
            f"cannot learn the host key of machine '{name}': {error}", "install openssh-client"
        ) from None
    found = parse_keyscan(done.stdout)
    if found is None:
        raise IsolationError(f"cannot learn the host key of machine '{name}': {host} port {port} shows none")
    return found


def parse_keyscan(text: str) -> str | None:
    """Return the best key in ssh-keyscan's output, as "TYPE KEY"."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    keys = {words[1]: f"{words[1]} {words[2]}" for words in lines if len(words) >= 3}
    return next((keys[kind] for kind in KINDS if kind in keys), None)
