"""Converging on a real machine that has the packages of all roles: plan, apply, drift."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from live_box import REASON, UNAVAILABLE
from live_converge import NAMES, ROLES, TOUCHED, CountingConnection, hand, read_sections

from provisioner.connection.ssh import SshConnection
from provisioner.converge.apply import Applied, converge
from provisioner.converge.plan import plan_changes, render_diff
from provisioner.converge.role import Role, load_roles
from provisioner.converge.state import read_present
from provisioner.converge.verify import verify_roles
from provisioner.machines.qemu.machine import QemuMachine

pytestmark = pytest.mark.skipif(UNAVAILABLE, reason=REASON)


def shown(connection: SshConnection, roles: Sequence[Role] = ROLES) -> list[str]:
    return render_diff(plan_changes(roles, {}, read_present(connection, roles, {})))


# These two come first: the machine is as its box made it.


def test_a_plan_is_a_diff_and_changes_nothing(machine: QemuMachine, connection: SshConnection) -> None:
    hand(connection, "systemctl is-system-running --wait || :")
    before, touched = read_sections(connection), hand(connection, TOUCHED)
    lines = shown(connection)

    assert hand(connection, TOUCHED) == touched
    assert read_sections(connection) == before
    for line in (
        "  file /etc/docker/daemon.json: content: absent → 0644 root:root",
        '    -USE_LXC_BRIDGE="true"',
        '    +USE_LXC_BRIDGE="false"',
        "  sysctl net/bridge/bridge-nf-call-iptables: at boot: absent → 1",
        "  module veth: now: absent → loaded; at boot: absent → loaded",
        "  service lxc-net.service: boot: enabled → disabled; state: active → stopped",
        "  service docker.service: restart: older than /etc/docker/daemon.json → restarted",
    ):
        assert line in lines


def test_all_roles_apply_together_and_keep_what_they_promise(first: Applied, connection: SshConnection) -> None:
    checked = verify_roles(connection, ROLES)

    assert first.changed > 10
    assert [(one.role, one.promise, one.why) for one in checked if not one.holds] == []
    assert {one.role for one in checked} == set(NAMES)
    assert hand(connection, "systemctl is-system-running || :") == "running\n"


def test_what_a_role_stops_leaves_nothing_of_itself_behind(applied: SshConnection) -> None:
    """lxc-net takes its bridge away only as long as its own settings say that there is one."""
    state = read_sections(applied)

    assert [line for line in (*state["links"], *state["rules"]) if "lxcbr0" in line] == []


def test_a_second_apply_changes_nothing_in_one_round_trip(applied: SshConnection) -> None:
    before = hand(applied, TOUCHED)
    for _ in range(3):
        counting = CountingConnection(applied)
        done = converge(counting, ROLES, {})

        assert (done.changed, done.round_trips, counting.sessions) == (0, 1, 1)
    assert hand(applied, TOUCHED) == before


def test_a_promise_that_is_broken_is_named(applied: SshConnection) -> None:
    hand(applied, "chmod 600 /etc/docker/daemon.json")
    try:
        broken = [one for one in verify_roles(applied, load_roles(["docker"])) if not one.holds]
    finally:
        hand(applied, "chmod 644 /etc/docker/daemon.json")

    assert [(one.promise, one.why) for one in broken] == [
        ("file /etc/docker/daemon.json: mode 0644, owner root", "its mode is 0600")
    ]


@pytest.mark.parametrize(
    ("drift", "line"),
    [
        ("echo more >>/etc/containers/containers.conf", "file /etc/containers/containers.conf: content: sha256 .*"),
        ("chmod 600 /etc/lxc/default.conf", "file /etc/lxc/default.conf: mode: 0600 → 0644"),
        ("chown daemon /etc/lxc/default.conf", "file /etc/lxc/default.conf: owner: daemon:root → root:root"),
        ("rm /etc/lxc/default.conf", "file /etc/lxc/default.conf: content: absent → 0644 root:root"),
        (
            "echo 0 >/proc/sys/net/bridge/bridge-nf-call-iptables",
            "sysctl net/bridge/bridge-nf-call-iptables: now: 0 → 1",
        ),
        (": >/etc/sysctl.d/90-isolation.conf", "sysctl net/bridge/bridge-nf-call-iptables: at boot: absent → 1"),
        ("rmmod veth", "module veth: now: absent → loaded"),
        ("rm /etc/modules-load.d/90-isolation.conf", "module fuse: at boot: absent → loaded"),
        ("dpkg --purge --force-depends catatonit", "package catatonit: status: absent → installed"),
        ("systemctl stop docker.socket docker", "service docker.service: state: inactive → started"),
        ("systemctl disable containerd", "service containerd.service: boot: disabled → enabled"),
        (
            "systemctl mask containerd",
            "service containerd.service: unit file: masked → unmasked; boot: masked → enabled",
        ),
        (
            "systemctl enable --now podman-auto-update.timer",
            "service podman-auto-update.timer: boot: enabled → disabled; state: active → stopped",
        ),
    ],
)
def test_drift_is_shown_and_mended(applied: SshConnection, drift: str, line: str) -> None:
    hand(applied, drift)

    assert [one for one in shown(applied) if re.fullmatch(f"  {line}", one)]
    assert converge(applied, ROLES, {}).changed >= 1
    assert converge(applied, ROLES, {}).changed == 0


def test_a_file_that_changes_restarts_what_reads_it(applied: SshConnection) -> None:
    asked = "systemctl show --property=InvocationID --value docker"
    before = hand(applied, asked)
    done = converge(applied, ROLES, {"log_driver": "local"})

    assert [step.title for step in done.steps] == [
        "note what is due",
        "write file '/etc/docker/daemon.json'",
        "restart 'docker.service'",
    ]
    assert hand(applied, asked) != before
    assert hand(applied, "docker info --format '{{.LoggingDriver}}'") == "local\n"
    assert converge(applied, ROLES, {}).changed == 2


def test_what_is_applied_is_there_after_a_boot(machine: QemuMachine, first: Applied) -> None:
    machine.down()
    machine.up()
    made = SshConnection(machine.ssh(), machine.name)
    try:
        done = converge(made, ROLES, {})
    finally:
        made.close()

    assert (done.changed, done.round_trips) == (0, 1)
