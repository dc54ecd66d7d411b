"""The address of a machine that is reached over SSH."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class SshAddress:
    """
    Where a machine is reached, and by what it is known.

    Args:
        host: an address.
        port: its SSH port.
        user: whom to log in as.
        private_key: the file of the key that it accepts.
        host_key: the only one to accept, as an OpenSSH line: "ssh-ed25519 AAAA…".
        netns: the path of the network namespace in which the address is reachable; None for this one.
    """

    host: str
    port: int
    user: str
    private_key: Path
    host_key: str
    netns: str | None = None
