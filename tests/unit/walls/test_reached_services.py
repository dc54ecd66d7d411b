"""What the tries in a network mean, and how a user's test asks."""

from __future__ import annotations

import pytest
from sample_records import blank

from provisioner.errors import UnobservedFact
from provisioner.facts.network import Attempt, NetworkSeen
from pytest_isolation.records.view import SandboxView
from pytest_isolation.walls.network import opened, reached


def attempt(source: str, target: str, result: str, protocol: str = "tcp", service: str = "open") -> Attempt:
    address = "10.0.0.9" if protocol != "unix-abstract" else "name"
    return Attempt(
        source=source, target=target, service=service, address=address, protocol=protocol, port=1, result=result
    )


SERVED = [attempt("other", "other", "reached"), attempt("other", "other", "reached", "udp")]


def view(attempts: list[Attempt]) -> SandboxView:
    seen = NetworkSeen(attempts=attempts, flushed=attempts, seconds=0.1, forwards=True)
    return SandboxView(blank().model_copy(update={"network": seen}))


def test_a_users_test_asks_by_place_and_protocol() -> None:
    sandbox = view([*SERVED, attempt("sandbox", "other", "reached", "udp"), attempt("sandbox", "other", "dropped")])

    assert sandbox.can_reach("other")
    assert sandbox.can_reach("other", "udp")
    assert not sandbox.can_reach("other", "tcp")


@pytest.mark.parametrize("attempts", [[], [attempt("sandbox", "other", "refused")]])
def test_what_was_not_served_is_not_safe(attempts: list[Attempt]) -> None:
    with pytest.raises(UnobservedFact):
        view(attempts).can_reach("other")


def test_without_the_option_it_is_not_known() -> None:
    with pytest.raises(UnobservedFact, match="--isolation-network"):
        SandboxView(blank()).can_reach("other")


def test_a_service_is_proven_at_each_address() -> None:
    elsewhere = attempt("other", "other", "reached").model_copy(update={"address": "10.0.0.8"})

    with pytest.raises(UnobservedFact, match=r"nobody reached open of other at 10\.0\.0\.9 by tcp"):
        reached([elsewhere, attempt("sandbox", "other", "dropped")], ["sandbox"], ["other"])


def test_a_try_that_failed_is_not_safe() -> None:
    tried = [*SERVED, attempt("sandbox", "other", "error")]

    with pytest.raises(UnobservedFact, match="sandbox could not try tcp"):
        reached(tried, ["sandbox"], ["other"])


def test_no_socket_for_one_protocol_leaves_the_others() -> None:
    tried = [*SERVED, attempt("sandbox", "other", "no_socket"), attempt("sandbox", "other", "refused", "udp")]

    assert reached(tried, ["sandbox"], ["other"]) == []
    with pytest.raises(UnobservedFact, match="sandbox got no socket to try with"):
        reached(tried[:-1], ["sandbox"], ["other"])


def test_an_abstract_socket_has_no_family() -> None:
    found = reached([attempt("none", "host", "reached", "unix-abstract", "socket")], ["none"], ["host"], ["socket"])

    assert found == ["an abstract unix socket of the host by unix-abstract"]


def test_what_a_flush_opened_is_named_by_kind() -> None:
    before = [attempt("sandbox", "other", "dropped"), attempt("peer", "other", "dropped"), *SERVED]
    after = [attempt("sandbox", "other", "reached"), attempt("peer", "other", "reached"), *SERVED]

    assert opened(before, after) == ["sandboxes of its network: a sandbox of another network"]
    assert opened(after, before) == []
