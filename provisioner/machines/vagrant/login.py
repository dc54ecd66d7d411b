"""Learns SSH user, key and host key of machines from boxes that Vagrant knows.

In: Vagrant's ssh-config, and the machine's address.  Out: a `Login`, saved in the lab's folder.  User and key come from
Vagrant.  The host key is trusted on first use: ssh-keyscan asks for it once, right after the machine was made; from
then on no other key is accepted.  It is deleted with the machine.  Built boxes have their keys from the build.
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

KINDS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa")  # in order of preference
KEYSCAN_KINDS = "ed25519,ecdsa,rsa"


@dataclass(frozen=True)
class Login:
    """
    How to log in to a machine.

    Args:
        port: the port of its SSH server.
        user: the user to log in as.
        private_key: the file of the key that logs in.
        host_key: the only host key to accept, "ssh-ed25519 AAAA…".
    """

    port: int
    user: str
    private_key: Path
    host_key: str


def load_login(file: Path) -> Login | None:
    """Return the saved login, or None if it is missing or invalid."""
    try:
        entry = json.loads(file.read_text(encoding="utf-8"))
        return Login(int(entry["port"]), str(entry["user"]), Path(entry["private_key"]), str(entry["host_key"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def learn_login(file: Path, name: str, config: SshConfig, host: str, enter: Sequence[str] = ()) -> Login:
    """
    Return how to log in to a machine, and save it.

    Args:
        file: the file to save it in; a valid one is returned as it is.
        name: the machine's name, for errors.
        config: the machine's section of `vagrant ssh-config`.
        host: the machine's address.
        enter: the arguments in front of ssh-keyscan that enter the machine's network.

    Raises:
        IsolationError: none of Vagrant's key files exists, or the machine sends no host key.
    """
    if known := load_login(file):
        return known
    keys = [Path(key) for key in config.keys if Path(key).is_file()]
    if not keys:
        raise IsolationError(
            f"cannot log in to machine '{name}': Vagrant names no private key", "use a box that accepts Vagrant's key"
        )
    login = Login(config.port, config.user, keys[0], scan_host_key(name, host, config.port, enter))
    write_whole(file, json.dumps({**vars(login), "private_key": str(login.private_key)}), 0o600)
    return login


def scan_host_key(name: str, host: str, port: int, enter: Sequence[str] = ()) -> str:
    """
    Return the host key that a machine sends.

    Args:
        name: the machine's name, for errors.
        host: its address.
        port: the port of its SSH server.
        enter: the arguments in front of ssh-keyscan that enter the machine's network.

    Raises:
        IsolationError: ssh-keyscan is not installed, or the machine sends no key of a known kind.
    """
    patience = str(max(1, int(deadline("command") / 4)))  # seconds, ssh-keyscan(1)
    argv = [*enter, "ssh-keyscan", "-T", patience, "-t", KEYSCAN_KINDS, "-p", str(port), host]
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=deadline("command")
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IsolationError(
            f"cannot learn the host key of machine '{name}': {error}", "install openssh-client"
        ) from None
    host_key = parse_keyscan(done.stdout)
    if host_key is None:
        raise IsolationError(f"cannot learn the host key of machine '{name}': {host} port {port} sends none")
    return host_key


def parse_keyscan(text: str) -> str | None:
    """Return the preferred key in ssh-keyscan's output, as "TYPE KEY"; None if there is none."""
    lines = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    keys = {words[1]: f"{words[1]} {words[2]}" for words in lines if len(words) >= 3}
    return next((keys[kind] for kind in KINDS if kind in keys), None)
