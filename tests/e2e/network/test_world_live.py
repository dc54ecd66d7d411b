"""provisioner.networks on this machine: namespaces, packets in them, and nothing left of them."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing

import pytest

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts.network import Attempt
from provisioner.journal.run import Run
from provisioner.networks.firewall import PROGRAMS, cleared
from provisioner.networks.matrix import try_all
from provisioner.networks.member import Member, addresses_in
from provisioner.networks.netns import NetnsConnection
from provisioner.networks.world import World, ip, run_in
from provisioner.probe.build import probe_binary
from provisioner.probe.channel import Channel

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="root makes network namespaces: run as root")
NONCE = "0123456789abcdef"


def namespaces() -> set[str]:
    return {name for name in os.listdir("/run/netns") if name.startswith(("iso-lan", "iso-host"))}


@pytest.fixture
def world() -> Iterator[tuple[World, NetnsConnection]]:
    with Run.start() as run, closing(World(run)) as made:
        yield made, NetnsConnection(made.own_host())


def members_of(world: World, host: NetnsConnection, stack: ExitStack) -> list[Member]:
    """Start a probe in both namespaces."""
    made = []
    for name, where in (("host", host), ("lan", world.lan)):
        stream = where.start([str(probe_binary().path), "serve", NONCE])
        stack.callback(stream.kill)
        channel = Channel(stream, NONCE, name, deadline("hello.container"))
        made.append(Member(name, channel, addresses_in(ip(where, ["-j", "addr"]))))
    return made


def tried(world: World, host: NetnsConnection) -> list[Attempt]:
    with ExitStack() as stack:
        return try_all(members_of(world, host, stack), published=False)


def reached(attempts: list[Attempt], source: str, target: str) -> set[tuple[str, str, bool]]:
    return {
        (one.service, one.protocol, ":" in one.address)
        for one in attempts
        if (one.source, one.target, one.result) == (source, target, "reached")
    }


EVERYTHING = {
    (service, protocol, is_v6)
    for service, protocol in (("open", "tcp"), ("open", "udp"), ("echo", "icmp"))
    for is_v6 in (False, True)
}


def test_the_other_machine_reaches_the_host_and_not_its_loopback(world: tuple[World, NetnsConnection]) -> None:
    attempts = tried(*world)

    assert reached(attempts, "lan", "host") == EVERYTHING
    assert reached(attempts, "host", "host") >= {("loopback", "tcp", True), ("socket", "unix-abstract", False)}
    assert reached(attempts, "host", "lan") >= EVERYTHING | {("metadata", "tcp", False), ("far", "udp", True)}
    assert not [one for one in attempts if one.result in ("error", "stranger")]


def test_what_a_rule_drops_is_not_reached_until_the_filter_is_cleared(world: tuple[World, NetnsConnection]) -> None:
    _, host = world
    run_in(host, ["iptables", "-A", "INPUT", "-p", "udp", "-j", "DROP"])
    run_in(host, ["ip6tables", "-P", "INPUT", "DROP"])
    saved = [run_in(host, [program, "-S"]) for program in PROGRAMS]

    filtered = reached(tried(*world), "lan", "host")
    with cleared(host):
        assert reached(tried(*world), "lan", "host") == EVERYTHING

    assert filtered == {("open", "tcp", False), ("echo", "icmp", False)}
    assert [run_in(host, [program, "-S"]) for program in PROGRAMS] == saved


def test_a_namespace_with_a_way_out_is_refused() -> None:
    with Run.start() as run, closing(World(run)) as made:
        path = made.own_host()
        with pytest.raises(IsolationError, match="cannot make a network: the namespace has the interface"):
            made.furnish(path)


def test_nothing_is_left(world: tuple[World, NetnsConnection]) -> None:
    made, _ = world
    assert namespaces()
    made.close()
    assert not namespaces()


KILLED = """
import os, signal
from provisioner.journal.run import Run
from provisioner.networks.world import World
World(Run.start()).own_host()
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_the_next_run_deletes_what_a_killed_one_left() -> None:
    before = namespaces()
    done = subprocess.run([sys.executable, "-c", KILLED], timeout=120, check=False)
    assert done.returncode == -9
    assert namespaces() - before

    subprocess.run([sys.executable, "-m", "provisioner", "prune"], timeout=300, check=True, capture_output=True)

    assert namespaces() == before
