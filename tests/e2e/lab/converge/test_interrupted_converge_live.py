"""Converging on a real machine that is killed, cut off, busy, or refuses something."""

from __future__ import annotations

import os
import re
import signal
import socket
import threading
from collections.abc import Callable

import pytest
from live_box import REASON, UNAVAILABLE
from live_converge import ROLES, hand, wait_until

from provisioner import progress
from provisioner.connection.ssh import SshConnection
from provisioner.converge.apply import converge
from provisioner.converge.resources.file import FileItem
from provisioner.converge.resources.service.units import ServiceItem
from provisioner.converge.role import Role
from provisioner.deadlines import set_scale
from provisioner.errors import IsolationError
from provisioner.machines.qemu.machine import QemuMachine

pytestmark = pytest.mark.skipif(UNAVAILABLE, reason=REASON)

# The roles of these tests leave a file or two that no other test looks at.

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


def error_of(act: Callable[[], object]) -> IsolationError:
    with pytest.raises(IsolationError) as caught:
        act()
    return caught.value


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
