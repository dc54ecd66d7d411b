"""provisioner.networks: which tries there are, and what each came to; no packet is sent."""

from __future__ import annotations

from typing import cast

import pytest

from provisioner.errors import IsolationError
from provisioner.networks.matrix import attempt_of
from provisioner.networks.member import Asked, Member, addresses_in
from provisioner.networks.plan import Planned, plan, refuse_outside, served_by, tokens_of

NOBODY = cast("Asked", None)


def member(name: str, *addresses: str) -> Member:
    return Member(name, NOBODY, addresses)


WORLD = [
    member("sandbox", "10.1.0.2", "fd00::2"),
    member("none"),
    member("host", "10.1.0.1"),
    member("lan", "192.0.2.2"),
]


def tries(source: str, target: str) -> set[tuple[str, str, str, int]]:
    return {
        (one.service, one.address, one.protocol, one.port)
        for one in plan(WORLD, published=True)
        if (one.source, one.target) == (source, target)
    }


def test_each_address_is_tried_by_each_protocol() -> None:
    assert tries("host", "sandbox") >= {
        (service, address, protocol, port)
        for address in ("10.1.0.2", "fd00::2")
        for service, protocol, port in (("open", "tcp", 4711), ("open", "udp", 4711), ("echo", "icmp", 0))
    }


def test_who_has_no_address_tries_all_others_and_is_tried_by_nobody() -> None:
    planned = plan(WORLD, published=True)

    assert {one.target for one in planned if one.source == "none"} == {"sandbox", "host", "lan"}
    assert not [one for one in planned if one.target == "none"]


def test_the_hosts_loopback_services_are_tried_at_all_of_its_addresses() -> None:
    loopback = {address for service, address, _, _ in tries("sandbox", "host") if service == "loopback"}

    assert loopback == {"127.0.0.1", "::1", "10.1.0.1"}
    assert ("socket", "isolation-network", "unix-abstract", 0) in tries("sandbox", "host")


def test_published_ports_are_tried_where_they_were_asked_for() -> None:
    published = {one.service for one in plan(WORLD, published=True)}

    assert {"published", "published_local"} <= published
    assert {one.service for one in plan(WORLD, published=False)} == published - {"published", "published_local"}


def test_the_metadata_address_and_one_far_away_are_the_other_machines() -> None:
    assert ("metadata", "169.254.169.254", "tcp", 80) in tries("sandbox", "lan")
    assert ("far", "2001:db8:2::1", "udp", 4711) in tries("sandbox", "lan")


@pytest.mark.parametrize("one", plan(WORLD, published=True), ids=str)
def test_what_is_tried_is_served(one: Planned) -> None:
    if one.protocol == "icmp" or one.service.startswith("published"):
        return
    served = " ".join(served_by(next(other for other in WORLD if other.name == one.target)))

    assert f":{one.port}" in served or one.address in served


def test_an_address_outside_the_world_is_refused() -> None:
    out = Planned(0, "sandbox", "host", "open", "8.8.8.8", "tcp", 53)

    refuse_outside(WORLD, plan(WORLD, published=True))
    with pytest.raises(IsolationError, match=r"cannot try '8\.8\.8\.8': it is no address of the test's own network"):
        refuse_outside(WORLD, [out])


def test_each_try_has_a_text_of_its_own() -> None:
    planned = plan(WORLD, published=True)

    assert len(set(tokens_of(planned, "abc").values())) == len(planned)


TCP = Planned(1, "sandbox", "peer", "open", "10.1.0.3", "tcp", 4711)
ECHO = Planned(2, "sandbox", "peer", "echo", "10.1.0.3", "icmp", 0)


@pytest.mark.parametrize(
    ("one", "answer", "heard", "result", "errno"),
    [
        (TCP, ("reached", ""), True, "reached", ""),
        (TCP, ("dropped", ""), True, "reached", ""),  # it arrived, and only the answer did not
        (TCP, ("reached", ""), False, "stranger", ""),  # another one answered
        (TCP, ("refused", "ECONNREFUSED"), False, "refused", "ECONNREFUSED"),
        (TCP, None, False, "error", ""),
        (ECHO, ("reached", ""), False, "reached", ""),
        (ECHO, ("no_socket", "EACCES"), False, "no_socket", "EACCES"),
    ],
)
def test_both_ends_decide(one: Planned, answer: tuple[str, str] | None, heard: bool, result: str, errno: str) -> None:
    attempt = attempt_of(one, answer, heard)

    assert (attempt.result, attempt.errno) == (result, errno)
    assert (attempt.source, attempt.target, attempt.address) == ("sandbox", "peer", "10.1.0.3")


LINKS = b"""[
 {"ifname": "lo", "addr_info": [{"local": "127.0.0.1"}, {"local": "169.254.169.254"}]},
 {"ifname": "eth0", "addr_info": [{"local": "172.17.0.2"}, {"local": "fe80::1"}, {"local": "fd00::2"}]},
 {"ifname": "sit0"}
]"""


def test_addresses_that_others_may_reach() -> None:
    assert addresses_in(LINKS) == ("172.17.0.2", "fd00::2")
    assert addresses_in(b"") == ()


@pytest.mark.parametrize(
    "answer", [b"{", b"[7]", b'[{"ifname": "eth0", "addr_info": [{}]}]', b'[{"addr_info": [{"local": "x"}]}]']
)
def test_addresses_that_cannot_be_read(answer: bytes) -> None:
    with pytest.raises(IsolationError, match=r"cannot read the addresses that ip\(8\) tells"):
        addresses_in(answer)
