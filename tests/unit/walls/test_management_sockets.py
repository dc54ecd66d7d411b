"""Which sockets and ports lead to the host's engines."""

from __future__ import annotations

import pytest

from provisioner.facts.ipc import EnginePort
from provisioner.facts.system import Interface
from pytest_isolation.walls.management_sockets import is_engine_socket, reachable_ports

PORTS = {2375: "docker"}
LO = Interface(name="lo", flags=73, addresses=[])
LINK = Interface(name="eth0", flags=4163, addresses=["10.0.0.2"])


def listener(net: int, loopback: bool = False, port: int = 2375) -> EnginePort:
    return EnginePort(port=port, loopback=loopback, process="", net=net)


@pytest.mark.parametrize("path", ["/run/docker.sock", "/x/podman/podman.sock", "/var/lib/incus/unix.socket"])
def test_an_engine_socket_is_recognised_in_any_folder(path: str) -> None:
    assert is_engine_socket(path)


@pytest.mark.parametrize("path", ["/run/mydocker.sock", "/dev/lxd/sock", "/run/dbus/system_bus_socket"])
def test_another_socket_is_no_engine_socket(path: str) -> None:
    assert not is_engine_socket(path)


@pytest.mark.parametrize(
    ("host", "inside", "net", "shares", "interfaces", "found"),
    [
        ([listener(1)], [], 2, False, [LO, LINK], True),  # over a network
        ([listener(1)], [], 2, False, [LO], False),  # no way out
        ([listener(1, loopback=True)], [], 2, False, [LO, LINK], False),  # the host's loopback
        ([listener(2, loopback=True)], [], 2, False, [LO], True),  # a loopback of its own namespace
        ([], [listener(2)], 2, False, [LO, LINK], False),  # its own engine
        ([], [listener(1, loopback=True)], 1, True, [LO], True),  # the host's network
        ([listener(1, port=2374)], [], 1, True, [LO], False),  # another port
        ([listener(1)], [], None, False, [LO, LINK], True),  # from a VM
    ],
)
def test_a_port_counts_if_the_sandbox_can_reach_it(
    host: list[EnginePort],
    inside: list[EnginePort],
    net: int | None,
    shares: bool,
    interfaces: list[Interface],
    found: bool,
) -> None:
    assert bool(reachable_ports(PORTS, inside, host, net, shares, interfaces)) is found
