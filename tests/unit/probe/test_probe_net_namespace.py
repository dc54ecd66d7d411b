"""What a network namespace holds (process/net_namespace.c), in namespaces of the test's own."""

from __future__ import annotations

import subprocess
from pathlib import Path

from own_network import FAR, NEAR, NEAR6, needs_own_network, own_network
from served_probe import as_root, ask

from provisioner.facts.net_namespace import LOCAL, MAIN, Network

pytestmark = needs_own_network


def seen(words: tuple[str, ...], probe: Path, *how: str) -> Network:
    facts = ask(*words, str(probe), *(how or ("facts", "n1")))
    return facts.process.network


def test_a_new_namespace_holds_loopback_and_the_rules_of_the_kernel(probe: Path) -> None:
    network = seen(("unshare", "--user", "--map-root-user", "--net"), probe)

    assert [link.addresses for link in network.interfaces or () if link.name == "lo"] == [[]]
    assert network.routes == []
    assert [(rule.family, rule.priority) for rule in network.rules or ()] == [
        (4, 0),
        (4, 32766),
        (4, 32767),
        (6, 0),
        (6, 32766),
    ]


def test_links_routes_rules_and_neighbours_of_both_families_are_seen(probe: Path) -> None:
    with own_network() as made:
        made.run(
            made.near,
            f"ip route add 10.98.0.0/16 via {FAR} table 100",
            "ip -6 route add blackhole fd98::/32",
            "ip rule add priority 77 lookup 100",
            f"ip neighbour replace {FAR} lladdr 02:00:00:00:00:01 dev near",
        )
        subprocess.run(
            [*made.near, "sh", "-c", "echo 2 >/proc/sys/net/ipv6/conf/near/accept_ra"], check=True, timeout=60
        )
        network = seen(made.near, probe)
    (near,) = (link for link in network.interfaces or () if link.name == "near")

    assert (near.kind, near.peer_elsewhere, near.accept_ra, near.disable_ipv6) == ("veth", True, 2, 0)
    assert {f"{NEAR}/24", f"{NEAR6}/64"} < set(near.addresses)
    routes = {(route.to, route.gateway, route.interface, route.table) for route in network.routes or ()}
    assert {
        ("10.98.0.0/16", FAR, "near", 100),
        ("10.99.0.0/24", "", "near", MAIN),
        (f"{NEAR}/32", "", "near", LOCAL),
    } < routes
    assert [route.type for route in network.routes or () if route.to == "fd98::/32"] == [6]
    assert (4, 77, 100) in {(rule.family, rule.priority, rule.table) for rule in network.rules or ()}
    assert (FAR, "near") in {(one.address, one.interface) for one in network.neighbours or ()}


@as_root
def test_the_host_sees_the_namespace_of_a_process(probe: Path) -> None:
    words = ["unshare", "--net", "sh", "-c", "ip link add here type veth peer name there; echo made; exec cat"]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as held:
        assert held.stdout is not None
        held.stdout.readline()
        network = seen((), probe, "outside", "n1", f"pid:{held.pid}")
        held.communicate(timeout=60)

    assert {link.name for link in network.interfaces or ()} >= {"lo", "here", "there"}
