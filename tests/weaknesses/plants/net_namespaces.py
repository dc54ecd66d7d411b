"""Plants of network namespaces that hold more than loopback; each is made by the test and leads nowhere."""

from __future__ import annotations

import subprocess

from ground import Ground
from oci_edits import join_namespace
from plant import Make, Plant, edits

RUNC = ("runc", "crun")


def network(script: str) -> Make:
    """Return a Spec that joins a new network namespace, in which a shell script ran; it ends with the plant."""

    def make(ground: Ground) -> dict[str, object]:
        process = subprocess.Popen(
            ["unshare", "--net", "--", "sh", "-ec", f"{script}\necho made; exec cat"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        ground.undo.callback(process.communicate, timeout=300)  # end of input ends it
        assert process.stdout is not None
        assert process.stdout.readline() == b"made\n"
        return dict(edits(join_namespace("network", f"/proc/{process.pid}/ns/net")))

    return make


PLANTS = (
    Plant(
        "an interface with an address",
        RUNC,
        {"net.own_interfaces": "the interface planted with 10.99.0.2/24"},
        spec=network("ip link add planted type veth peer name other; ip address add 10.99.0.2/24 dev planted"),
    ),
    Plant(
        "an address of IPv6 alone",
        RUNC,
        {"net.own_interfaces": "the address fd99::2/128 on lo"},
        spec=network("ip link set lo up; ip -6 address add fd99::2/128 dev lo"),
    ),
    Plant(
        "a route that a rule leads to",
        RUNC,
        {"net.own_interfaces": "the route 10.98.0.0/16 dev lo table 100"},
        spec=network(
            "ip link set lo up; ip rule add priority 100 lookup 100; ip route add 10.98.0.0/16 dev lo table 100"
        ),
    ),
    Plant(
        "an interface that accepts router advertisements",
        RUNC,
        {"net.ipv6_ra": "planted (accept_ra 2)", "net.own_interfaces": "the interface planted"},
        spec=network(
            "ip link add planted type veth peer name other; "
            "echo 2 >/proc/sys/net/ipv6/conf/planted/accept_ra; ip link set planted up"
        ),
    ),
)
