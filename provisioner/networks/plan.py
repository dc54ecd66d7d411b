"""Says which tries a world has: each member to each address of each other, by each protocol.  Pure.

In: the members.  Out: `Planned` tries, the sockets that each member serves, and what each try came to.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from provisioner.errors import IsolationError
from provisioner.networks.member import LOOPBACK, Member
from provisioner.networks.world import FAR, HOST_LAN, METADATA
from provisioner.probe.net_tries import Protocol, socket_word

TRANSPORTS: tuple[Protocol, ...] = ("tcp", "udp")
OPEN_PORT, LOOPBACK_PORT, BEHIND_PORT, METADATA_PORT = 4711, 4712, 4713, 80
PUBLISHED, PUBLISHED_LOCAL = 4720, 4721  # ports of the host; both lead to the sandbox's BEHIND_PORT
SOCKET = "isolation-network"  # an abstract unix socket of the host: each namespace has its own


@dataclass(frozen=True)
class Planned:
    """One try; the attributes are those of facts.network.Attempt, and `id` numbers the tries of one world."""

    id: int
    source: str
    target: str
    service: str
    address: str
    protocol: Protocol
    port: int


def served_by(member: Member) -> list[str]:
    """
    Return the sockets that a member serves, as words of the probe's `net serve`.

    Args:
        member: the member.
    """
    sockets = [socket_word(protocol, address, OPEN_PORT) for protocol in TRANSPORTS for address in ("0.0.0.0", "::")]
    if member.name == "host":
        sockets += [socket_word(protocol, address, LOOPBACK_PORT) for protocol in TRANSPORTS for address in LOOPBACK]
        sockets.append(socket_word("unix-abstract", SOCKET))
    if member.name == "sandbox":
        sockets.append(socket_word("tcp", "0.0.0.0", BEHIND_PORT))
    if member.name == "lan":
        sockets.append(socket_word("tcp", METADATA, METADATA_PORT))
    return sockets


def plan(members: Sequence[Member], published: bool) -> list[Planned]:
    """
    Return every try of a world.

    A member tries itself too: what it cannot reach itself was not served, and proves nothing about others.

    Args:
        members: the members.
        published: whether the sandbox publishes a port at all addresses of the host, and one at its loopback address.
    """
    services = [service for member in members for service in _services(member, published)]
    return [
        Planned(number, source.name, *service)
        for number, (source, service) in enumerate((source, service) for source in members for service in services)
    ]


def _services(member: Member, published: bool) -> Iterator[tuple[str, str, str, Protocol, int]]:
    """Yield the target, service, address, protocol and port of each of a member's services."""
    for address in member.addresses:
        yield member.name, "open", address, "tcp", OPEN_PORT
        yield member.name, "open", address, "udp", OPEN_PORT
        yield member.name, "echo", address, "icmp", 0
    if member.name == "host":
        for address in (*LOOPBACK, *member.addresses):
            yield member.name, "loopback", address, "tcp", LOOPBACK_PORT
            yield member.name, "loopback", address, "udp", LOOPBACK_PORT
        yield member.name, "socket", SOCKET, "unix-abstract", 0
        if published:
            for address in (LOOPBACK[0], HOST_LAN[0]):
                yield "sandbox", "published", address, "tcp", PUBLISHED
                yield "sandbox", "published_local", address, "tcp", PUBLISHED_LOCAL
    if member.name == "lan":
        yield member.name, "metadata", METADATA, "tcp", METADATA_PORT
        for address in FAR:
            yield member.name, "far", address, "tcp", OPEN_PORT
            yield member.name, "far", address, "udp", OPEN_PORT


def refuse_outside(members: Sequence[Member], planned: Sequence[Planned]) -> None:
    """
    Refuse tries that would leave the world, before a probe is asked to make them.

    Args:
        members: the members of the world.
        planned: the tries.

    Raises:
        IsolationError: an address belongs to no member.
    """
    known = {
        *LOOPBACK,
        *HOST_LAN,
        *FAR,
        METADATA,
        SOCKET,
        *(address for member in members for address in member.addresses),
    }
    for one in planned:
        if one.address not in known:
            raise IsolationError(f"cannot try '{one.address}': it is no address of the test's own network")


def tokens_of(planned: Sequence[Planned], token: str) -> Mapping[int, str]:
    """Return the text that each try sends: a listener that logs it was reached, whatever the source says."""
    return {one.id: f"{token}-{one.id}" for one in planned}
