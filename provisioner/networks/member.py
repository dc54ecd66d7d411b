"""One end of the tries: a probe somewhere in the world, and the addresses at which others may reach it."""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from provisioner.errors import IsolationError
from provisioner.probe.request import Pending, Reply

LOOPBACK = ("127.0.0.1", "::1")


class Asked(Protocol):
    """The part of a probe's `Channel` that a member needs."""

    def request(self, *argv: str, deadline: float, bound: int = 1 << 16, data: bytes | None = None) -> Reply: ...
    def start(self, *argv: str, deadline: float, bound: int = 1 << 16) -> Pending: ...
    def wait(self, pending: Pending, until: Callable[[Pending], bool] | None = None) -> Reply: ...
    def cancel(self, pending: Pending) -> None: ...


@dataclass(frozen=True)
class Member:
    """
    One end of the tries.

    Attributes:
        name: its role: "sandbox", "peer", "other", "none", "host", "lan".
        channel: to the probe that serves and tries there.
        addresses: its addresses, without those of its loopback interface and without link-local ones.
    """

    name: str
    channel: Asked
    addresses: tuple[str, ...]


def addresses_in(answer: bytes) -> tuple[str, ...]:
    """
    Return the addresses of interfaces that others may reach: not loopback, not link-local.

    Args:
        answer: what `ip -j addr` printed.

    Raises:
        IsolationError: it cannot be read.
    """
    try:
        found = [
            str(address["local"])
            for link in json.loads(answer or b"[]")
            for address in link.get("addr_info", ())
            if link.get("ifname") != "lo"
        ]
        known = [ipaddress.ip_address(one) for one in found]
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise IsolationError(f"cannot read the addresses that ip(8) tells: {error}") from None
    return tuple(str(one) for one in known if not one.is_link_local)
