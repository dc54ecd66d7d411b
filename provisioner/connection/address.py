"""The address of a machine's SSH server, and its text in a journal."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
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


def dump_address(address: SshAddress) -> str:
    """Return an address as one line of JSON."""
    return json.dumps({**asdict(address), "private_key": str(address.private_key)})


def load_address(text: str) -> SshAddress:
    """Return the address that `dump_address` wrote; ValueError if the text is not one."""
    try:
        entry = json.loads(text)
        address = SshAddress(**{**entry, "private_key": Path(entry["private_key"])})
    except (KeyError, TypeError, ValueError, RecursionError):
        raise ValueError("it is not an address") from None
    words = (address.host, address.user, address.host_key, address.netns or "")
    if not all(isinstance(word, str) for word in words) or type(address.port) is not int:
        raise ValueError("it is not an address")
    return address
