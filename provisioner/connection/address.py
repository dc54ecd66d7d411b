"""The address of a machine's SSH server."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SshAddress:
    """
    Where a machine is reached, and which keys prove its and our identity.

    Args:
        host: its IP address or name.
        port: the TCP port of its SSH server.
        user: the account to log in to.
        private_key: the file of a key that the account accepts.
        host_key: the only host key to accept, as an OpenSSH line: "ssh-ed25519 AAAA…".
        netns: the path of the network namespace in which the address is reachable; None for ours.
    """

    host: str
    port: int
    user: str
    private_key: Path
    host_key: str
    netns: str | None = None
