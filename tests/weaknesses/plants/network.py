"""Plants in networks: they are tried in a world of their own, as `--isolation-network` does."""

from __future__ import annotations

from typing import Any

from plant import Plant

STOCK = "open in a stock engine; a plant that closes it moves it to holds"
ONLY_SYNTHETIC = {
    "net.host": STOCK,
    "net.neighbour": STOCK,
    "net.metadata": STOCK,
    "net.egress": STOCK,
}
DOCKER, PODMAN, LXC = ("docker",), ("podman",), ("lxc",)
OTHER = "isolation-{{ run }}-other"
INTERNAL = "isolation-{{ run }}-internal"


def modes(**flags: list[str]) -> dict[str, Any]:
    """Return the change of network modes to other flags."""
    return {"network+": {mode: {"flags": words} for mode, words in flags.items()}}


def daemon(settings: str) -> dict[str, Any]:
    """Return the change of docker's daemon.json."""
    return {"daemon+": {"files": {"daemon.json": settings}}}


def isolated(name: str) -> dict[str, Any]:
    """Return a network mode of podman, whose network speaks to no other one (podman-network-create(1))."""
    network = f"isolation-{{{{ run }}}}-{name}"
    return {
        "make": ["{{ podman }}", "network", "create", "--opt", "isolate=true", network],
        "flags": ["--network", network],
        "delete": ["rm", "--recursive", "--force", f"/var/lib/cni/networks/{network}"],
    }


PLANTS = (
    Plant(
        "none has an interface",
        (*DOCKER, *PODMAN),
        {"net.none": "it reaches a machine beside the host by icmp, tcp, udp over IPv4"},
        network=modes(none=["--network", OTHER]),
    ),
    Plant(
        "the host's network",
        DOCKER,
        {"net.host_loopback": "services of the host's loopback interface by tcp, udp over IPv4"},
        also={
            "net.none": "unknown",  # the host's services cannot listen beside its own
            "net.other_network": "open",
            "net.unpublished": "open",
            "net.published_local": "unknown",
        },
        network=modes(private=["--network", "host"]),
    ),
    Plant(
        "a port published at all addresses",
        (*DOCKER, *PODMAN),
        {"net.published_local": "a machine beside the host reaches a port published at the host's loopback"},
        network={"publish": ["--publish", "0.0.0.0:{{ port }}:{{ to }}/tcp"]},
    ),
    Plant(
        "no rules between networks",
        DOCKER,
        {
            "net.other_network": "it reaches a sandbox of another network by icmp, tcp, udp over IPv4",
            "net.unpublished": "a machine beside the host reaches a sandbox by icmp, tcp, udp over IPv4",
        },
        also={"net.reload": "holds"},  # there is nothing to flush
        network=daemon('{"iptables": false}'),
    ),
    Plant(
        "IPv6, whose packets no rule filters",
        DOCKER,
        {"net.unpublished": "a machine beside the host reaches a sandbox by icmp, tcp, udp over IPv6"},
        version="<27",  # since then "ip6tables" is true by default
        network=daemon('{"ipv6": true, "fixed-cidr-v6": "fd00:17::/64"}'),
    ),
    Plant(
        "no traffic between containers",
        DOCKER,
        also={"net.neighbour": "holds"},
        network=daemon('{"icc": false}'),
    ),
    Plant(
        "an internal network",
        DOCKER,
        also={"net.egress": "holds", "net.metadata": "holds", "net.published_local": "unknown"},  # it publishes none
        network={
            "network+": {
                "private": {
                    "make": ["docker", "network", "create", "--internal", INTERNAL],
                    "flags": ["--network", INTERNAL],
                }
            }
        },
    ),
    Plant(
        "rules between networks, which a flush takes away",
        PODMAN,
        {"net.reload": "sandboxes of its network: a sandbox of another network"},
        also={"net.other_network": "holds"},
        network={"network+": {"private": isolated("one"), "other": isolated("two")}},
    ),
)
