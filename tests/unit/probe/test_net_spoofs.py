"""The request `net spoof` (network/spoof.c): what is sent, and what the receiver makes of it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from own_network import FAR, OwnNetwork, needs_own_network, own_network
from served_probe import wait_until

from provisioner.observed import FactsError
from provisioner.probe.net_spoofs import parse_spoof, spoof_arp_argv, spoof_mac_argv, spoof_source_argv
from provisioner.probe.net_tries import parse_served, serve_argv

pytestmark = needs_own_network
OTHER = "10.99.0.66"  # an address of the test's own network that nobody has
WITHOUT = ("setpriv", "--bounding-set=-net_raw,-net_admin", "--inh-caps=-net_raw,-net_admin", "--")


@pytest.fixture(scope="module")
def network() -> Iterator[OwnNetwork]:
    with own_network() as made:
        yield made


def spoof(probe: Path, side: tuple[str, ...], argv: tuple[str, ...]) -> str:
    done = subprocess.run([*side, str(probe), *argv], capture_output=True, timeout=60)

    assert done.returncode == 0, done.stderr
    return parse_spoof(done.stdout)


def neighbour(network: OwnNetwork) -> str:
    words = [*network.far, "ip", "-j", "neighbour", "show", OTHER]
    found = json.loads(subprocess.run(words, capture_output=True, check=True, timeout=60).stdout)
    return found[0].get("lladdr", "") if found else ""


def test_a_neighbour_believes_a_claim_of_an_address_that_it_knows(probe: Path, network: OwnNetwork) -> None:
    network.run(network.far, f"ip neighbour replace {OTHER} lladdr 02:00:00:00:00:66 dev far nud stale")
    words = [*network.near, "ip", "-j", "link", "show", "near"]
    (link,) = json.loads(subprocess.run(words, capture_output=True, check=True, timeout=60).stdout)

    assert spoof(probe, network.near, spoof_arp_argv("near", OTHER)) == "ok"
    wait_until(lambda: neighbour(network) == link["address"])


def test_a_server_sees_the_forged_source(probe: Path, network: OwnNetwork) -> None:
    argv = [*network.far, str(probe), *serve_argv(30, "far", [f"udp:{FAR}:1000"])]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, bufsize=0) as server:
        assert server.stdout is not None
        printed = server.stdout.readline()
        subprocess.run(
            [*network.far, "sh", "-c", "echo 0 | tee /proc/sys/net/ipv4/conf/*/rp_filter"],
            check=True,
            capture_output=True,
            timeout=60,
        )
        assert spoof(probe, network.near, spoof_source_argv(OTHER, FAR, 1000, "forged")) == "ok"
        printed += server.stdout.readline()
        server.kill()

    assert [(one.sender, one.token) for one in parse_served(printed).tokens] == [(f"{OTHER}:40000", "forged")]


def test_its_own_mac_address_may_be_set_again(probe: Path, network: OwnNetwork) -> None:
    assert spoof(probe, network.near, spoof_mac_argv("near")) == "ok"
    assert spoof(probe, network.near, spoof_mac_argv("no-such-link")) == "ENODEV"


def test_without_the_capabilities_nothing_is_sent(probe: Path, network: OwnNetwork) -> None:
    side = (*network.near, *WITHOUT)
    requests = (spoof_mac_argv("near"), spoof_arp_argv("near", OTHER), spoof_source_argv(OTHER, FAR, 1000, "t"))

    assert [spoof(probe, side, argv) for argv in requests] == ["EPERM"] * 3


@pytest.mark.parametrize("printed", [b"", b"ok", b'{"result": "believed"}', b'{"result": "ok", "more": 1}'])
def test_an_answer_that_the_probe_does_not_print_is_an_error(printed: bytes) -> None:
    with pytest.raises(FactsError):
        parse_spoof(printed)
