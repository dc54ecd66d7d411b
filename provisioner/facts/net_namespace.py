"""The network namespace of a process: its interfaces, routes, rules and neighbours (process/net_namespace.c)."""

from __future__ import annotations

from provisioner.observed import Fact, Items, Number, Observed, Text

MAIN, LOCAL, DEFAULT = 254, 255, 253  # routing tables (ip-route(8))


class Link(Observed):
    """
    A network interface.

    Attributes:
        name: its name.
        kind: the kind of virtual interface, as ip-link(8) names it; "" for loopback and hardware.
        flags: IFF_* (netdevice(7)).
        peer_elsewhere: whether its other end or its lower interface is in another network namespace.
        addresses: each with its prefix: "10.0.0.2/24".
        forwarding: net.ipv4.conf.NAME.forwarding (ip-sysctl.rst).
        route_localnet: net.ipv4.conf.NAME.route_localnet.
        forwarding6: net.ipv6.conf.NAME.forwarding; None without IPv6, like the next two.
        accept_ra: net.ipv6.conf.NAME.accept_ra.
        disable_ipv6: net.ipv6.conf.NAME.disable_ipv6.
    """

    name: Text
    kind: Text
    flags: Number
    peer_elsewhere: bool
    addresses: Items[Text]
    forwarding: Fact[Number | None]
    route_localnet: Fact[Number | None]
    forwarding6: Fact[Number | None]
    accept_ra: Fact[Number | None]
    disable_ipv6: Fact[Number | None]


class Route(Observed):
    """
    A route of any table.

    Attributes:
        to: the destinations: "0.0.0.0/0".
        gateway: the next hop, "" without one.
        interface: the name of the interface, "" without one; of several next hops, the first one's.
        table: the number of its table.
        type: RTN_* of rtnetlink(7): 1 unicast, 2 local, 3 broadcast, 5 multicast, 6 blackhole, 7 unreachable.
    """

    to: Text
    gateway: Text
    interface: Text
    table: Number
    type: Number


class Rule(Observed):
    """
    A rule of the routing policy (ip-rule(8)).

    Attributes:
        family: 4 or 6.
        priority: its priority.
        table: the table that it looks up; 0 for a rule that looks up none.
    """

    family: Number
    priority: Number
    table: Number


class Neighbour(Observed):
    """
    An entry of the neighbour table (ip-neighbour(8)).

    Attributes:
        address: IPv4 or IPv6.
        interface: the name of the interface.
        state: NUD_* of rtnetlink(7).
    """

    address: Text
    interface: Text
    state: Number


class Network(Observed):
    """What a network namespace holds; a list is None if the kernel has no such thing."""

    interfaces: Fact[Items[Link] | None]
    routes: Fact[Items[Route] | None]
    rules: Fact[Items[Rule] | None]
    neighbours: Fact[Items[Neighbour] | None]
