"""Who reaches whom over the network, as frozen objects that are archived beside the facts."""

from __future__ import annotations

from provisioner.observed import Fact, Number, Observed, Text


class Attempt(Observed):
    """
    One try to reach a service over the network.

    Attributes:
        source: the member that tried: "sandbox", "peer", "other", "none", "host", "lan".
        target: the member whose service it was.
        service: "open" (at all of its addresses), "loopback", "published", "published_local", "metadata", "far",
            "socket" (an abstract unix socket), "echo" (ICMP).
        address: where it was tried.
        protocol: "tcp", "udp", "icmp", "unix-abstract".
        port: the port; 0 where there is none.
        result: "reached" (the target's own answer came), "stranger" (another answer came), "refused" (a reset or an
            ICMP error came), "unreachable" (no route leads there, or an ICMP error said so), "dropped" (nothing came in
            time), "no_socket" (the source got no socket for it), "error".
        errno: the error's name, "" if there was none.
    """

    source: Text
    target: Text
    service: Text
    address: Text
    protocol: Text
    port: Number
    result: Text
    errno: Text = ""


class NetworkSeen(Observed):
    """
    The tries of all members of one network world.

    Attributes:
        attempts: each try, as the runtime set its networks up.
        flushed: the same tries after the packet filter of the host was cleared, as `nft flush ruleset` does.
        seconds: how long the tries took.
        forwards: whether the host forwards between its interfaces (net.ipv4.ip_forward), which the engine switches on.
    """

    attempts: list[Attempt]
    flushed: Fact[list[Attempt]]
    seconds: float
    forwards: bool
