"""Docker installed into a machine that has nothing: interrupted twice on its way, it ends as where it was baked in."""

from __future__ import annotations

import os
import re
import socket
import threading
from collections.abc import Iterator

import pytest
from live_box import REASON, UNAVAILABLE
from live_converge import hand, machine_of, packages_of, read_sections, wait_until

from provisioner.connection.ssh import SshConnection
from provisioner.converge.apply import Applied, converge
from provisioner.converge.plan import plan_changes, render_diff
from provisioner.converge.role import load_roles
from provisioner.converge.state import read_present
from provisioner.converge.verify import verify_roles
from provisioner.errors import IsolationError
from provisioner.machines.qemu.machine import QemuMachine

pytestmark = pytest.mark.skipif(UNAVAILABLE, reason=REASON)

# PYTEST_ISOLATION_ROLES="docker podman runc lxc" compares them all; installing them takes some minutes
NAMES = os.environ.get("PYTEST_ISOLATION_ROLES", "docker").split()
ROLES = load_roles(NAMES)

# What may differ, each for its own reason.
OWN = (
    r"\./(machine-id|docker/key\.json|ssh/ssh_host_.*)$",  # each machine's, or each box's, own
    r"\./(passwd|group|shadow|gshadow)-?$",  # who came first has the lower number: compared by name
    r"dev-disk-by\\x2duuid-",  # of the box's file system
)
# lxc-net runs in the box from its first boot until the role stops it; modules that it loaded are never unloaded
MODULES = {"xt_CHECKSUM", "xt_tcpudp", "ipt_REJECT", "nf_reject_ipv4"}


@pytest.fixture(scope="module")
def fresh() -> Iterator[tuple[QemuMachine, dict[str, set[str]]]]:
    """A machine without the packages, and a place for the state that it ends in."""
    with machine_of("fresh") as made:
        yield made, {}


@pytest.fixture
def connection(fresh: tuple[QemuMachine, dict[str, set[str]]]) -> Iterator[SshConnection]:
    made = SshConnection(fresh[0].ssh(), fresh[0].name)
    yield made
    made.close()


@pytest.fixture
def second(fresh: tuple[QemuMachine, dict[str, set[str]]]) -> Iterator[SshConnection]:
    made = SshConnection(fresh[0].ssh(), fresh[0].name)
    yield made
    made.close()


def begin(connection: SshConnection) -> tuple[threading.Thread, list[object]]:
    """Begin to converge; the list will hold how that ends."""
    ended: list[object] = []

    def work() -> None:
        try:
            ended.append(converge(connection, ROLES, {}))
        except IsolationError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    return thread, ended


def unpacked(connection: SshConnection) -> int:
    return int(hand(connection, "grep -c ' unpacked ' /var/log/dpkg.log 2>/dev/null || :") or 0)


def test_dpkg_killed_midway_is_seen_by_the_next_plan(connection: SshConnection, second: SshConnection) -> None:
    before = unpacked(second)
    thread, ended = begin(connection)
    wait_until(lambda: unpacked(second) > before + 2, "dpkg unpacks")
    hand(second, "kill -s KILL $(pidof apt-get dpkg dpkg-deb)")
    thread.join(120)
    shown = render_diff(plan_changes(ROLES, {}, read_present(second, ROLES, {})))

    assert re.fullmatch(rf"cannot install .* on '{second.name}': .*", str(ended[0]))
    assert [line for line in shown if re.search("(half-installed|unpacked|to be reinstalled) →", line)]
    assert "  package dpkg: journal: left half-way → finished" in shown
    assert hand(second, "systemctl is-active docker || :") == "inactive\n"


def test_a_connection_cut_during_an_install_is_mended_by_the_next_apply(
    fresh: tuple[QemuMachine, dict[str, set[str]]], connection: SshConnection, second: SshConnection
) -> None:
    before = unpacked(second)
    thread, ended = begin(connection)
    wait_until(lambda: unpacked(second) > before + 2, "dpkg unpacks again")
    connection._transport().sock.shutdown(socket.SHUT_RDWR)
    thread.join(60)
    done = converge(second, ROLES, {})

    assert re.fullmatch(
        rf"cannot apply the plan on '{second.name}': the connection ended during: .*; apply again: it continues there",
        str(ended[0]),
    )
    assert done.changed > 0
    assert converge(second, ROLES, {}).changed == 0
    assert [one for one in verify_roles(second, ROLES) if not one.holds] == []
    fresh[1].update(read_sections(second))
    fresh[0].down()


def test_where_it_was_baked_in_it_ends_in_the_same_state(
    fresh: tuple[QemuMachine, dict[str, set[str]]],
) -> None:
    with machine_of("baked", packages_of(*NAMES)) as machine:
        made = SshConnection(machine.ssh(), machine.name)
        try:
            done = converge(made, ROLES, {})
            baked = read_sections(made)
        finally:
            made.close()

    assert isinstance(done, Applied)
    assert not [step.title for step in done.steps if step.title.startswith("install")]
    assert fresh[1]
    differences = {
        heading: sorted(line for line in lines ^ baked[heading] if not any(re.search(one, line) for one in OWN))
        for heading, lines in fresh[1].items()
    }
    differences["modules"] = sorted(set(differences["modules"]) - MODULES)
    assert {heading: lines for heading, lines in differences.items() if lines} == {}
