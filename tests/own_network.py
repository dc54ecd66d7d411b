"""Network namespaces that a test makes itself: two, joined by a veth pair, in a user namespace without privileges.

Nothing in them leads anywhere else: there is no other interface and no route out.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from served_probe import wait_until

NEAR, FAR = "10.99.0.1", "10.99.0.2"
NEAR6, FAR6 = "fd99::1", "fd99::2"
READY = "ready\n"
HOLD = f"printf '{READY[:-1]}\\n'; exec cat"


def _possible() -> bool:
    if shutil.which("unshare") is None or shutil.which("ip") is None:
        return False
    return (
        subprocess.run(["unshare", "--user", "--map-root-user", "--net", "true"], capture_output=True).returncode == 0
    )


needs_own_network = pytest.mark.skipif(not _possible(), reason="needs user namespaces and ip")


class OwnNetwork:
    """
    Two namespaces; `near` and `far` are the words that execute a command in one of them.

    Args:
        near: pid of the process that holds the first one.
        far: pid of the process that holds the second one.
    """

    def __init__(self, near: int, far: int) -> None:
        enter = ["nsenter", "--user", "--net", "--preserve-credentials", "--target"]
        self.near = (*enter, str(near), "--")
        self.far = (*enter, str(far), "--")

    def run(self, side: tuple[str, ...], *commands: str) -> None:
        """Run commands in one of them; each must succeed."""
        for command in commands:
            subprocess.run([*side, *command.split()], check=True, timeout=60)


@contextmanager
def own_network() -> Iterator[OwnNetwork]:
    """Make the two namespaces; they end with their processes."""
    first = _hold("unshare", "--user", "--map-root-user", "--net", "--kill-child")
    try:
        enter = ["nsenter", "--user", "--net", "--preserve-credentials", "--target", str(first.pid), "--"]
        second = _hold(*enter, "unshare", "--net")
        try:
            network = OwnNetwork(first.pid, second.pid)
            _join(network, second.pid)
            yield network
        finally:
            _end(second)
    finally:
        _end(first)


def _hold(*words: str) -> subprocess.Popen[str]:
    argv = [*words, "sh", "-c", HOLD]
    held = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert held.stdout is not None
    assert held.stdout.readline() == READY
    return held


def _end(held: subprocess.Popen[str]) -> None:
    held.communicate(timeout=60)


def _join(network: OwnNetwork, far: int) -> None:
    network.run(network.near, "ip link set lo up", f"ip link add near type veth peer name far netns {far}")
    network.run(network.far, "ip link set lo up")
    for side, name, v4, v6 in ((network.near, "near", NEAR, NEAR6), (network.far, "far", FAR, FAR6)):
        network.run(
            side,
            f"ip address add {v4}/24 dev {name}",
            f"ip -6 address add {v6}/64 dev {name} nodad",
            f"ip link set {name} up",
        )
    for side, name in ((network.near, "near"), (network.far, "far")):
        wait_until(lambda side=side, name=name: _is_ready(side, name))  # type: ignore[misc]


def _is_ready(side: tuple[str, ...], name: str) -> bool:
    """Return whether IPv6 may send: the link's state follows with a delay, and so do its own addresses."""
    shown = subprocess.run([*side, "ip", "-j", "address", "show", "dev", name], capture_output=True, check=True).stdout
    (link,) = json.loads(shown)
    addresses = [one for one in link["addr_info"] if one["family"] == "inet6"]
    return link["operstate"] == "UP" and len(addresses) == 2 and not any(one.get("tentative") for one in addresses)
