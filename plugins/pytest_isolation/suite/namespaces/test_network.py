"""Checks of the network: what the sandbox can reach, tried with a listener that logs its connections."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import SandboxView

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
