"""Converging on a real machine, into whose box the packages of all roles are baked: plan, apply, drift, faults."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Callable, Iterator, Sequence

import pytest
from live_box import REASON, UNAVAILABLE
from live_converge import TOUCHED, CountingConnection, hand, machine_of, packages_of, read_sections, wait_until

from provisioner import progress
from provisioner.connection.ssh import SshConnection
from provisioner.converge.apply import Applied, converge
from provisioner.converge.plan import plan_changes, render_diff
from provisioner.converge.resources.file import FileItem
from provisioner.converge.resources.service.units import ServiceItem
from provisioner.converge.role import Role, load_roles
from provisioner.converge.state import read_present
from provisioner.converge.verify import verify_roles
from provisioner.deadlines import set_scale
from provisioner.errors import IsolationError
from provisioner.machines.qemu.machine import QemuMachine

pytestmark = pytest.mark.skipif(UNAVAILABLE, reason=REASON)

NAMES = ("docker", "podman", "runc", "lxc")
ROLES = load_roles(NAMES)


@pytest.fixture(scope="module")
def machine() -> Iterator[QemuMachine]:
    with machine_of("converge", packages_of(*NAMES)) as made:
        yield made


@pytest.fixture
def connection(machine: QemuMachine) -> Iterator[SshConnection]:
    made = SshConnection(machine.ssh(), machine.name)
    yield made
    made.close()


@pytest.fixture
def second(machine: QemuMachine) -> Iterator[SshConnection]:
    """Another connection to the same machine: somebody else's, or a hand in it while the first is busy."""
    made = SshConnection(machine.ssh(), machine.name)
    yield made
    made.close()


@pytest.fixture(scope="module")
def first(machine: QemuMachine) -> Applied:
    """The first apply of all roles."""
    made = SshConnection(machine.ssh(), machine.name)
    try:
        return converge(made, ROLES, {})
    finally:
        made.close()


@pytest.fixture
def applied(first: Applied, connection: SshConnection) -> SshConnection:
    """A machine to which all roles have been applied; who changes it mends it."""
    return connection


def shown(connection: SshConnection, roles: Sequence[Role] = ROLES) -> list[str]:
    return render_diff(plan_changes(roles, {}, read_present(connection, roles, {})))


def error_of(act: Callable[[], object]) -> IsolationError:
    with pytest.raises(IsolationError) as caught:
        act()
    return caught.value


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


# Faults.  The roles of these tests leave a file or two that no other test looks at.

# Wait until the new file is being written, stop the script and all its processes there, and say which group they are.
# The script alone holds the lock, and leads the group.
STOP = """\
for turn in $(seq 2000); do [ ! -e /etc/.big.isolation-new ] || break; sleep 0.05; done
for held in /proc/[0-9]*/fd/9; do
  if [ "$held" -ef /run/pytest-isolation/lock ]; then
    pid=${held#/proc/} pid=${pid%%/*}
    kill -s STOP -- "-$pid" && echo "$pid" && exit
  fi
done
exit 1"""
SLOW = "[Service]\nType=oneshot\nRemainAfterExit=yes\nExecStart=/bin/sleep 4\n"
BIG = Role("big", resources={"file": [FileItem(path="/etc/big", template="big")]}, templates={"big": "x" * (4 << 20)})


def service_role(name: str, unit: str) -> Role:
    path = f"/etc/systemd/system/{name}.service"
    files = [FileItem(path=path, content=unit)]
    return Role(name, resources={"file": files, "service": [ServiceItem(name=name, state="started")]})


def stop_midway(connection: SshConnection, second: SshConnection) -> tuple[threading.Thread, list[object], str]:
    """Begin to write the big file, and stop midway; return who waits for it, how it ends, and the group to act on."""
    hand(second, "rm -f /etc/.big.isolation-new; echo old >/etc/big")
    ended: list[object] = []

    def work() -> None:
        try:
            ended.append(converge(connection, [BIG], {}))
        except IsolationError as error:
            ended.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    group = hand(second, STOP).strip()
    assert "isolation-new" in hand(second, "ls -A /etc")
    return thread, ended, group


def cut(connection: SshConnection) -> None:
    """Cut the connection as a cable would: neither side says goodbye."""
    connection._transport().sock.shutdown(socket.SHUT_RDWR)


def test_an_apply_that_is_killed_while_it_writes_a_file_is_mended(
    applied: SshConnection, second: SshConnection
) -> None:
    thread, ended, group = stop_midway(applied, second)
    hand(second, f"kill -s KILL -- -{group}")
    thread.join(60)

    assert str(ended[0]).startswith(f"cannot apply the plan on '{applied.name}': ")
    assert hand(second, "cat /etc/big; ls -A /etc | grep isolation-new") == "old\n.big.isolation-new\n"
    assert converge(second, [BIG], {}).changed == 1
    assert hand(second, "stat -c %s /etc/big; ls -A /etc | grep -c isolation-new || :") == f"{4 << 20}\n0\n"
    assert converge(applied, [BIG], {}).changed == 0


def test_a_connection_that_is_cut_while_a_file_is_written_is_mended(
    applied: SshConnection, second: SshConnection
) -> None:
    thread, ended, group = stop_midway(applied, second)
    cut(applied)
    thread.join(60)
    hand(second, f"kill -s CONT -- -{group}")

    assert str(ended[0]) == (
        f"cannot apply the plan on '{applied.name}': the connection ended during: write file '/etc/big';"
        " apply again: it continues there"
    )
    assert converge(second, [BIG], {}).changed == 0  # it waits: the step that was under way is finished
    assert hand(second, "stat -c %s /etc/big; ls -A /etc | grep -c isolation-new || :") == f"{4 << 20}\n0\n"


def test_of_two_applies_at_once_one_waits_and_says_for_whom(
    applied: SshConnection, second: SshConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    said: list[str] = []
    roles = [service_role("slow", SLOW)]
    other = threading.Thread(target=converge, args=(applied, roles, {}))
    other.start()
    wait_until(lambda: "activating" in hand(second, "systemctl is-active slow || :"), "the first one starts it")
    before = progress.set_listener(said.append)
    try:
        done = converge(second, roles, {})
    finally:
        progress.set_listener(before)
        other.join(60)

    assert [line for line in said if line.strip() == f"wait for another apply on {applied.name} …"]
    assert done.changed == 0
    assert hand(second, "systemctl is-active slow") == "active\n"


def test_a_service_that_fails_is_one_line_with_the_end_of_its_journal(applied: SshConnection) -> None:
    unit = "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo the reason is this >&2; exit 3'\n"
    error = error_of(lambda: converge(applied, [service_role("broken", unit)], {}))
    hand(applied, "systemctl reset-failed broken; rm /etc/systemd/system/broken.service; systemctl daemon-reload")

    assert str(error) == (f"cannot start 'broken.service' on '{applied.name}': it failed; journalctl -u broken.service")
    assert "the reason is this" in error.log


def test_a_package_that_does_not_exist_is_one_line(applied: SshConnection) -> None:
    role = Role("web", resources={"package": ["no-such-package"]})
    error = error_of(lambda: converge(applied, [role], {}))

    assert str(error) == (
        f"cannot install 'no-such-package' on '{applied.name}': no such package; see the packages in role.yaml"
    )
    assert "Unable to locate package" in error.log


def test_a_setting_that_the_kernel_refuses_is_one_line(applied: SshConnection) -> None:
    role = Role("web", resources={"sysctl": {"kernel.pid_max": "-1", "net.ipv4.ip_forward": 1}})
    error = error_of(lambda: converge(applied, [role], {}))
    converge(applied, ROLES, {})

    assert str(error).startswith(f"cannot set sysctl 'kernel/pid_max' on '{applied.name}': ")
    assert "\n" not in str(error)


def test_a_machine_that_does_not_answer_is_one_line(machine: QemuMachine, applied: SshConnection) -> None:
    hand(applied, ":")
    pid = machine.vmm_pid()
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    set_scale(0.05)
    try:
        error = error_of(lambda: converge(applied, ROLES, {}))
    finally:
        set_scale(1)
        os.kill(pid, signal.SIGCONT)

    assert re.fullmatch(rf"cannot .* '{machine.name}': .*; .*", str(error))
