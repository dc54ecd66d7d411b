"""Checks of the network: what the sandbox holds, and what it can reach, tried with a listener that logs connections."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from provisioner.errors import UnobservedFact
from provisioner.facts.net_namespace import Network
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.net_namespace import accepting_advertisements, beyond_loopback

CONTROL_CONNECTIONS = 1  # the peer connects to itself once, to prove that its listener is there


@pytest.mark.isolation_active
@pytest.mark.isolation(
    "net.peer_same",
    severity="medium",
    profile="restricted",
    gains="attacks its peer's services",
    refs=["network_namespaces(7)", "CIS Docker 2.2", "CIS Docker 5.30"],
    shows=["process.namespaces.net", "system.interfaces"],
    reproduce="nc -l 127.0.0.1 4711    # in one; in the other: nc 127.0.0.1 4711",
    remedy="give each its own network namespace: --network none must not share one",
)
def test_peers_cannot_connect(sandbox: SandboxView) -> None:
    """
    Peers cannot connect unless declared (here: both without a network).

    The peer listens, and connects to itself as the control.
    Then the sandbox tries to connect.
    The logs of both ends decide.
    """
    if reason := sandbox.target.cannot.get("network.none"):
        pytest.skip(reason)
    reach = sandbox.reach("none")
    if reach.control != "connected":
        raise UnobservedFact("reaches[none].control", "", f"the peer's own listener was not there: {reach.control}")
    if reach.token_seen:
        raise Open("it read its peer's token")
    if reach.accepted > CONTROL_CONNECTIONS:
        raise Open(f"its peer accepted a connection: {reach.outcome}")


@pytest.mark.isolation(
    "net.own_interfaces",
    severity="high",
    profile="baseline",
    gains="speaks to networks that it was to have no part in",
    refs=["network_namespaces(7)", "ip-rule(8)", "rtnetlink(7)"],
    shows=["process.network.interfaces", "process.network.routes", "process.network.rules"],
    reproduce="ip address; ip route show table all; ip -6 route show table all; ip rule; ip -6 rule",
    remedy="give it no network: --network none, and nothing that moves an interface into its namespace",
)
def test_without_a_network_it_has_loopback_alone(sandbox: SandboxView) -> None:
    """
    Without a network a sandbox has loopback alone.

    No other interface, no address but 127.0.0.0/8 and ::1, no route of any table that leads out, and only the kernel's
    rules.  Interfaces that a tunnel's module makes in every namespace (tunl0, sit0) do not count while they are down.
    Both views count: from outside, the host's probe looks into the namespace.
    """
    if reason := sandbox.target.cannot.get("network.none"):
        pytest.skip(reason)
    if sandbox.target.attached or sandbox.target.command:
        pytest.skip("its starter chose its network")
    if found := _in_all_views(sandbox, beyond_loopback):
        raise Open(f"it has {'; '.join(found[:8])}")


@pytest.mark.isolation(
    "net.ipv6_ra",
    severity="medium",
    profile="baseline",
    kinds=("container",),
    kinds_reason="a guest's own kernel and network manager decide it",
    gains="makes itself the router of its neighbour",
    refs=["ip-sysctl.rst", "RFC 4861", "CVE-2020-13401"],
    shows=["process.network.interfaces"],
    reproduce="sysctl net.ipv6.conf.eth0.accept_ra",
    remedy="set net.ipv6.conf.NAME.accept_ra to 0 for each of its interfaces, or disable_ipv6 to 1",
)
def test_router_advertisements_are_ignored(sandbox: SandboxView) -> None:
    """
    Router advertisements from a neighbour are ignored.

    On each interface that is up, IPv6 is off, or accept_ra is 0, or it is 1 and the interface forwards.
    A neighbour on the same bridge could otherwise become its default router.
    """
    if found := _in_all_views(sandbox, accepting_advertisements):
        raise Open(f"it accepts them on {', '.join(found[:8])}")


def _in_all_views(sandbox: SandboxView, judge: Callable[[Network], list[str]]) -> list[str]:
    """
    Return what a judge finds in either view, each once.

    The host's probe may not enter the namespace without root; then the inside view counts alone.
    """
    views = [] if sandbox.why_blind else [sandbox.inside.process]
    views += [sandbox.outside.process] if sandbox.has_outside else []
    observed = [one.network for one in views if isinstance(one.raw("network"), Network)]
    if not observed:
        observed = [one.network for one in views]  # raises
    return list(dict.fromkeys(text for network in observed for text in judge(network)))
