"""What a network namespace holds beyond loopback, and what its interfaces accept from their neighbours.

In: the network of a process (provisioner/facts/net_namespace.py).  Out: what a check reports, in words.  Pure.
"""

from __future__ import annotations

from ipaddress import ip_interface, ip_network

from provisioner.facts.net_namespace import DEFAULT, LOCAL, MAIN, Link, Network, Route, Rule

UP, LOOPBACK = 0x1, 0x8  # IFF_UP and IFF_LOOPBACK (netdevice(7))
# Interfaces that modules of tunnels make in every namespace, down and without an address
# (net.core.fb_tunnels_only_for_init_net, Documentation/admin-guide/sysctl/net.rst)
FALLBACK = {
    "tunl0": "ipip",
    "sit0": "sit",
    "ip6tnl0": "ip6tnl",
    "gre0": "gre",
    "gretap0": "gretap",
    "erspan0": "erspan",
    "ip6gre0": "ip6gre",
    "ip_vti0": "vti",
    "ip6_vti0": "vti6",
}
LEADS_NOWHERE = (6, 7, 8, 9)  # RTN_BLACKHOLE, RTN_UNREACHABLE, RTN_PROHIBIT and RTN_THROW (rtnetlink(7))
KERNELS_RULES = {
    (4, 0, LOCAL),
    (4, 32766, MAIN),
    (4, 32767, DEFAULT),
    (6, 0, LOCAL),
    (6, 32766, MAIN),
}  # ip-rule(8)


def beyond_loopback(network: Network) -> list[str]:
    """Return the interfaces, addresses, routes and rules that a namespace with loopback alone does not have."""
    found = [f"the interface {_name(link)}" for link in network.interfaces or () if not _is_expected(link)]
    found += [
        f"the address {address} on {link.name}"
        for link in network.interfaces or ()
        if _is_expected(link)
        for address in link.addresses
        if not _is_loopback(address)
    ]
    found += [f"the route {_route(route)}" for route in network.routes or () if _leads_out(route)]
    found += [
        f"the IPv{rule.family} rule {rule.priority}: lookup {rule.table}"
        for rule in network.rules or ()
        if not _is_kernels(rule)
    ]
    return found


def accepting_advertisements(network: Network) -> list[str]:
    """
    Return the interfaces on which the kernel accepts router advertisements.

    It does if accept_ra is 2, or 1 while the interface does not forward (ip-sysctl.rst).
    """
    return [
        f"{link.name} (accept_ra {link.accept_ra})"
        for link in network.interfaces or ()
        if link.flags & UP and not link.flags & LOOPBACK and _accepts(link)
    ]


def _accepts(link: Link) -> bool:
    if link.disable_ipv6 != 0:  # None: without IPv6
        return False
    return link.accept_ra == 2 or (link.accept_ra == 1 and link.forwarding6 == 0)


def _name(link: Link) -> str:
    addresses = f" with {', '.join(link.addresses[:4])}" if link.addresses else ""
    return link.name + addresses


def _is_expected(link: Link) -> bool:
    """Whether it is loopback, or what a module of tunnels makes in every namespace."""
    if link.flags & LOOPBACK:
        return link.name == "lo"
    return FALLBACK.get(link.name) == link.kind and not link.flags & UP and not link.addresses


def _is_loopback(address: str) -> bool:
    try:
        return ip_interface(address).ip.is_loopback
    except ValueError:  # a sandbox may write anything
        return False


def _leads_out(route: Route) -> bool:
    if route.type in LEADS_NOWHERE:
        return False
    try:
        to = ip_network(route.to, strict=False)
    except ValueError:
        return True
    return route.interface != "lo" or not to.is_loopback


def _route(route: Route) -> str:
    via = f" via {route.gateway}" if route.gateway else ""
    return f"{route.to}{via} dev {route.interface} table {route.table}"


def _is_kernels(rule: Rule) -> bool:
    return (rule.family, rule.priority, rule.table) in KERNELS_RULES
