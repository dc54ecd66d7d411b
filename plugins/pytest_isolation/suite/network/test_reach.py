"""
Checks of who reaches whom.

Each needs the option --isolation-network: the runtime is started in a network of our own, with a host, a machine
beside it and sandboxes.  All try to reach all, over IPv4 and IPv6, by TCP, UDP and ICMP.  A service counts as reached
if it received the text that was sent to it.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from provisioner.facts.network import Attempt, NetworkSeen
from pytest_isolation.policy.raised import NotAsked, Open
from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.network import PUBLISHED, opened, reached

OPTION = "its networks were not tried: --isolation-network"
KINDS = "the networks of machines are not tried"
HOST_SERVICES = ("loopback", "socket")


def tried(sandbox: SandboxView, member: str = "sandbox", mode: str = "private") -> NetworkSeen:
    """
    Return what was tried; skip the check if that was not asked for or the runtime has no such network.

    Args:
        sandbox: the check's sandbox.
        member: who tries in this check.
        mode: the network mode of that member.
    """
    seen = sandbox.network()
    if seen is None:
        raise NotAsked(OPTION)
    if not any(one.source == member for one in seen.attempts):
        raise NotAsked(sandbox.target.cannot.get(f"network.{mode}", f"the role describes no network '{mode}' to try"))
    return seen


def refuse(found: Sequence[str], subject: str = "it") -> None:
    """Raise Open with what was reached."""
    if found:
        raise Open(f"{subject} reaches {'; '.join(found)}")


def attempts_of(sandbox: SandboxView) -> Sequence[Attempt]:
    """Return the tries of sandboxes with a network of their own."""
    return tried(sandbox).attempts


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "net.none",
    severity="critical",
    profile="baseline",
    gains="speaks over a network that it must not have",
    refs=["network_namespaces(7)", "docker network none driver"],
    kinds=["container"],
    kinds_reason=KINDS,
    shows=["process.namespaces.net"],
    reproduce="ip -br addr; nc -w1 GATEWAY PORT    # inside",
    remedy="give it a network namespace with a loopback interface alone: --network none",
)
def test_without_a_network_it_reaches_nothing(sandbox: SandboxView) -> None:
    """
    A sandbox without a network reaches nothing and nobody reaches it.

    It tries every service of the host, of a machine beside it and of sandboxes with a network.
    """
    attempts = tried(sandbox, "none", "none").attempts
    others = {one.target for one in attempts} - {"none"}
    reachable = {one.service for one in attempts if one.result == "reached"}
    services = {one.service for one in attempts if one.service in reachable or one.service not in PUBLISHED}
    refuse(reached(attempts, ["none"], others, services))
    if any(one.target == "none" for one in attempts):
        refuse(reached(attempts, others, ["none"]), "somebody else")


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "net.host_loopback",
    severity="critical",
    profile="baseline",
    gains="uses services of the host that trust local clients: databases, debuggers, agents",
    refs=["network_namespaces(7)", "slirp4netns(1), allow_host_loopback", "CVE-2020-15257"],
    kinds=["container"],
    kinds_reason=KINDS,
    shows=["process.namespaces.net"],
    reproduce="nc -l 127.0.0.1 4711    # on the host; inside: nc GATEWAY 4711",
    remedy="do not share the host's network: no --network host, no allow_host_loopback, no --map-gw",
)
def test_services_of_the_hosts_loopback_are_out_of_reach(sandbox: SandboxView) -> None:
    """
    Services on the host's 127.0.0.1 and ::1 are unreachable, and so are its abstract unix sockets.

    They are tried at the sandbox's own loopback address and at each address of the host.
    """
    refuse(reached(attempts_of(sandbox), ["sandbox"], ["host"], HOST_SERVICES))


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "net.host",
    severity="medium",
    profile="restricted",
    gains="attacks services of the host that listen at all addresses",
    refs=["Docker docs, 'Bridge network driver'", "iptables(8), INPUT"],
    kinds=["container"],
    kinds_reason=KINDS,
    shows=["process.namespaces.net"],
    reproduce="nc -l 0.0.0.0 4711    # on the host; inside: nc GATEWAY 4711",
    remedy="drop packets from the bridge in the host's INPUT chain, or use an internal network",
)
def test_services_of_the_host_are_out_of_reach(sandbox: SandboxView) -> None:
    """Services at the host's other addresses are unreachable."""
    refuse(reached(attempts_of(sandbox), ["sandbox"], ["host"]))


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "net.neighbour",
    severity="medium",
    profile="restricted",
    gains="attacks services of other sandboxes on its network",
    refs=["CIS Docker 2.2", "CIS Docker 5.30", "Docker docs, 'Bridge network driver', enable_icc"],
    kinds=["container"],
    kinds_reason=KINDS,
    shows=["process.namespaces.net"],
    reproduce="nc -l 0.0.0.0 4711    # in one; in the other: nc ADDRESS 4711",
    remedy="switch traffic between sandboxes off (docker: --icc=false), or give each tenant a network of its own",
)
def test_sandboxes_of_one_network_cannot_connect(sandbox: SandboxView) -> None:
    """Sandboxes on one network cannot connect unless declared."""
    refuse(reached(attempts_of(sandbox), ["sandbox", "peer"], ["sandbox", "peer"]))


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "net.other_network",
    severity="high",
    profile="baseline",
    gains="attacks sandboxes of another network, such as another tenant's",
    refs=["CVE-2025-54410", "Docker docs, 'Packet filtering and firewalls'", "podman-network-create(1), isolate"],
    kinds=["container"],
    kinds_reason=KINDS,
    shows=["process.namespaces.net"],
    reproduce="nc -l 0.0.0.0 4711    # in one; in a sandbox of another network: nc ADDRESS 4711",
    remedy="isolate the networks from each other (podman: --opt isolate=true for both)",
)
def test_sandboxes_of_two_networks_cannot_connect(sandbox: SandboxView) -> None:
    """Sandboxes on different networks cannot connect, in neither direction."""
    attempts = tried(sandbox, "other", "other").attempts
    refuse(reached(attempts, ["sandbox"], ["other"]))
    refuse(reached(attempts, ["other"], ["sandbox"]), "a sandbox of another network")


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "net.unpublished",
    severity="high",
    profile="baseline",
    gains="lets a machine of the local network attack a port that was not published",
    refs=["Docker docs, 'Port publishing and mapping', gateway_mode_ipv4", "moby 28.0 release notes"],
    kinds=["container"],
    kinds_reason=KINDS,
    shows=["process.namespaces.net"],
    reproduce="ip route add 172.17.0.0/16 via HOST; nc 172.17.0.2 4711    # on a machine beside the host",
    remedy="drop forwarded packets that no rule allows: iptables -P FORWARD DROP",
)
def test_unpublished_ports_are_out_of_reach(sandbox: SandboxView) -> None:
    """A port that is not published is unreachable from a machine beside the host, which routes to it."""
    refuse(reached(attempts_of(sandbox), ["lan"], ["sandbox", "peer", "other"]), "a machine beside the host")


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "net.published_local",
    severity="high",
    profile="baseline",
    gains="lets others reach a port that was published for the host alone",
    refs=["CVE-2025-54388", "CIS Docker 5.14", "moby 28.0 release notes"],
    kinds=["container"],
    kinds_reason=KINDS,
    shows=["process.namespaces.net"],
    reproduce="nc -w1 HOST 4721    # on a machine beside the host; 127.0.0.1:4721 is published",
    remedy="update the engine, and publish at the host's loopback address alone: -p 127.0.0.1:PORT:PORT",
)
def test_a_port_published_at_loopback_is_the_hosts_alone(sandbox: SandboxView) -> None:
    """A port that is published at 127.0.0.1 is reachable from the host alone."""
    attempts = attempts_of(sandbox)
    if not any(one.service == "published_local" for one in attempts):
        raise NotAsked("the role describes no way to publish a port")
    refuse(reached(attempts, ["lan"], ["sandbox"], ["published_local"]), "a machine beside the host")
    refuse(reached(attempts, ["peer", "other", "none"], ["sandbox"], ["published_local"]), "another sandbox")


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "net.metadata",
    severity="high",
    profile="restricted",
    gains="reads the credentials of the cloud instance",
    refs=["AWS EC2 user guide, 'Use IMDSv2'", "RFC 3927"],
    kinds=["container"],
    kinds_reason=KINDS,
    shows=["process.namespaces.net"],
    reproduce="nc -w1 169.254.169.254 80    # inside",
    remedy="drop packets to 169.254.169.254: iptables -I FORWARD -d 169.254.169.254 -j DROP",
)
def test_the_metadata_address_is_out_of_reach(sandbox: SandboxView) -> None:
    """The address at which clouds serve metadata, 169.254.169.254, is unreachable."""
    refuse(reached(attempts_of(sandbox), ["sandbox"], ["lan"], ["metadata"]))


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "net.egress",
    severity="medium",
    profile="restricted",
    gains="sends data out, and attacks machines of the local network",
    refs=["NIST SP 800-190, 4.4.2", "Docker docs, 'docker network create --internal'"],
    kinds=["container"],
    kinds_reason=KINDS,
    shows=["process.namespaces.net"],
    reproduce="nc -w1 ADDRESS 4711    # inside, to a machine beside the host",
    remedy="use an internal network (--internal), or drop what the sandbox sends out",
)
def test_other_machines_are_out_of_reach(sandbox: SandboxView) -> None:
    """Other machines, on the local network and beyond, are unreachable."""
    refuse(reached(attempts_of(sandbox), ["sandbox"], ["lan"], ["open", "echo", "far"]))


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "net.reload",
    severity="high",
    profile="restricted",
    gains="reaches what only a rule kept closed, after another program has loaded its own rules",
    refs=["CVE-2025-54388", "CVE-2025-54410", "netavark issue 709", "nft(8), flush ruleset"],
    kinds=["container"],
    kinds_reason=KINDS,
    shows=["process.namespaces.net"],
    reproduce="nft flush ruleset    # on the host, and look again",
    remedy="load the engine's rules again after those of the firewall",
)
def test_what_is_closed_stays_closed_after_a_flush(sandbox: SandboxView) -> None:
    """What was out of reach stays so after the host's packet filter is flushed."""
    seen = tried(sandbox)
    if found := opened(seen.attempts, seen.flushed):
        raise Open(f"after a flush more is reached: {'; '.join(found)}")
