"""Synthetic weaknesses and look-alikes: what a network namespace holds, and what its interfaces accept."""

from __future__ import annotations

import copy

from fact_parts import Dict, link_of, route_of
from weakness import UNSEEN, Edit, Lookalike, add, put, weak

UP = 0x1043


def both(*edits: Edit) -> Edit:
    """Return the edit that makes several."""

    def edit(document: Dict) -> None:
        for one in edits:
            one(document)

    return edit


def seen(change: Edit, *parts: str) -> Edit:
    """Return the edit that changes the network in both views, unless it is asked for one."""

    def edit(document: Dict) -> None:
        for part in parts or ("inside", "outside"):
            process = document[part]["process"]
            process["network"] = copy.deepcopy(process["network"])  # the views of a sound record share it
            change(process["network"])

    return edit


def held(name: str, item: Dict, *parts: str) -> Edit:
    return seen(add(name, item=item), *parts)


def link(*parts: str, **settings: int) -> Edit:
    return held("interfaces", link_of("eth0", "veth", UP, "10.0.0.2/24", **settings), *parts)


WEAKNESSES = (
    weak("net.own_interfaces", "an interface with an address", link(), "the interface eth0 with 10.0.0.2/24"),
    weak("net.own_interfaces", "only the host sees it", link("outside"), "the interface eth0"),
    weak(
        "net.own_interfaces",
        "an address of IPv6 on an interface that is down",
        held("interfaces", link_of("dummy0", "dummy", 130, "fd00::2/64")),
        "dummy0 with fd00::2/64",
    ),
    weak(
        "net.own_interfaces",
        "an address on loopback",
        seen(put("interfaces", 0, "addresses", to=["127.0.0.1/8", "10.0.0.2/32"]), "inside"),
        "10.0.0.2/32 on lo",
    ),
    weak(
        "net.own_interfaces",
        "a route of another table",
        held("routes", route_of("0.0.0.0/0", "lo", 100, gateway="127.0.0.2")),
        "the route 0.0.0.0/0 via 127.0.0.2 dev lo table 100",
    ),
    weak(
        "net.own_interfaces",
        "a rule that looks up another table",
        held("rules", {"family": 6, "priority": 100, "table": 100}),
        "the IPv6 rule 100: lookup 100",
    ),
    weak("net.own_interfaces", "a tunnel that is up", held("interfaces", link_of("sit0", "sit", 0xC1)), "sit0"),
    weak(
        "net.ipv6_ra",
        "accept_ra is 1",
        link(accept_ra=1),
        "eth0 (accept_ra 1)",
        "net.own_interfaces",
    ),
    weak(
        "net.ipv6_ra",
        "accept_ra is 2 and it forwards",
        link(accept_ra=2, forwarding6=1),
        "eth0 (accept_ra 2)",
        "net.own_interfaces",
    ),
)
LOOKALIKES = (
    Lookalike(
        "interfaces that tunnels make in every namespace",
        "container",
        both(
            held("interfaces", link_of("tunl0", "ipip", 128)),
            held("interfaces", link_of("sit0", "sit", 128, accept_ra=1)),
            held("interfaces", link_of("gre0", "gre", 128)),
        ),
    ),
    Lookalike(
        "routes that lead nowhere",
        "container",
        both(held("routes", route_of("::/0", "lo", 0, 7)), held("routes", route_of("0.0.0.0/0", "", 254, 6))),
    ),
    Lookalike(
        "a kernel without rules",
        "container",
        seen(put("rules", to=None)),
    ),
    Lookalike(
        "the host's probe may not enter",
        "container",
        put("outside", "process", "network", to={"unobserved": "EPERM", "why": "look at its network namespace"}),
    ),
    Lookalike(
        "accept_ra is 1 and it forwards, or IPv6 is off",
        "container",
        both(link(accept_ra=1, forwarding6=1), link(accept_ra=1, disable_ipv6=1)),
        (("net.own_interfaces", "open"),),
    ),
    Lookalike(
        "an archive of before the network was seen",
        "container",
        both(*(put(part, "process", "network", to=dict(UNSEEN)) for part in ("inside", "outside"))),
        (("net.own_interfaces", "unknown"), ("net.ipv6_ra", "unknown")),
    ),
)
