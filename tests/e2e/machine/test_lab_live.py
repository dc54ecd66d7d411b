"""Targets on a machine of lab.yaml: tests of a user's own, testinfra, what a destructive test leaves, both sides.

Runs with `--isolation-machine` or `--isolation-host`, on the session's own targets.
"""

from __future__ import annotations

from typing import Any

import pytest

from provisioner.limits.limits import Limits
from provisioner.sandboxes.spec import Spec
from pytest_isolation.live.machine import MachineView
from pytest_isolation.live.sandbox import LiveView
from pytest_isolation.observe.sandboxes import SandboxCache
from pytest_isolation.session.state import STATE

CANARY = "/var/tmp/isolation-canary"


@pytest.fixture
def sandboxes(request: pytest.FixtureRequest) -> SandboxCache:
    return request.config.stash[STATE].sandboxes


def test_the_machine_runs_a_kernel_and_a_systemd_of_its_own(machine: MachineView, sandboxes: SandboxCache) -> None:
    boot_id = machine.run("cat", "/proc/sys/kernel/random/boot_id").stdout.strip()

    assert boot_id == machine.host.facts.boot_id != sandboxes.hosts.local.facts.boot_id
    assert machine.run("readlink", "/proc/1/exe").stdout.strip().endswith("systemd")
    assert {"hybrid": "v1"}.get(machine.host.cgroup_mode, machine.host.cgroup_mode) == machine.spec.cgroup
    assert machine.host.is_root


def test_every_role_of_the_machine_keeps_its_promises(machine: MachineView, isolation_target: str) -> None:
    if isolation_target != machine.name:
        pytest.skip("asked once for a machine: run with --isolation-machine")
    from provisioner.converge.role import load_roles
    from provisioner.converge.verify import verify_roles

    broken = [one for one in verify_roles(machine.host.connection, load_roles(machine.spec.roles)) if not one.holds]

    assert broken == [], broken


def test_a_target_is_seen_with_its_own_host(sandbox: LiveView, machine: MachineView, sandboxes: SandboxCache) -> None:
    """A machine's host is the one that its hypervisor runs on; a container's host is the machine."""
    record = sandbox.record
    if sandbox.measurements.target.is_machine:
        assert record.target.host == "local"
        assert record.host.boot_id == sandboxes.hosts.local.facts.boot_id
        assert record.inside.boot_id == machine.host.facts.boot_id
        assert record.outside is None
        assert record.vmm is not None
        assert record.vmm.boot_id == sandboxes.hosts.local.facts.boot_id
    else:
        assert record.target.host == machine.name
        assert record.outside is not None
        # from outside: LXC binds a boot id of its own making
        assert record.outside.boot_id == record.host.boot_id == machine.host.facts.boot_id


def test_testinfra_tests_run_unchanged(host: Any) -> None:
    assert host.file("/").is_directory
    assert host.file("/etc/passwd").contains("^root:")
    assert host.user("root").uid == 0
    assert host.run("echo ä; exit 3").rc == 3
    assert host.run("echo %s", "ä 'b").stdout == "ä 'b\n"
    assert host.run("kill -KILL $$").rc == 137


def test_the_sandbox_and_the_machine_have_testinfra(sandbox: LiveView, machine: MachineView) -> None:
    assert sandbox.testinfra.file("/bin/sh").exists
    assert machine.testinfra.service("ssh").is_running


@pytest.mark.isolation_destructive
def test_a_destructive_test_breaks_the_machine(machine: MachineView) -> None:
    assert machine.run("sh", "-c", f"echo broken >{CANARY}; rm -f /etc/hosts").ended == "exit 0"
    assert machine.testinfra.file(CANARY).exists


def test_what_it_broke_is_whole_again(machine: MachineView, sandbox: LiveView) -> None:
    assert not machine.testinfra.file(CANARY).exists
    assert machine.testinfra.file("/etc/hosts").exists
    assert sandbox.run("/bin/true" if sandbox.target.kind == "vm" else "/probe").ended in ("exit 0", "exit 64")


def test_limits_of_a_container_are_set_on_the_machine(
    sandbox: LiveView, machine: MachineView, sandboxes: SandboxCache
) -> None:
    if sandbox.target.kind == "vm":
        pytest.skip("lab.yaml gives a machine its memory when it is started: use a container runtime on it")
    with sandboxes.create(sandbox.measurements.target, Spec(limits=Limits(memory=64 << 20))) as small:
        outside = small.outside()

        assert outside is not None
        assert outside.limits.memory.limit == 64 << 20


def test_nothing_of_a_run_stays_on_the_machine(
    sandbox: LiveView, machine: MachineView, sandboxes: SandboxCache
) -> None:
    """What this run has there, it has in its own folder and cgroups; what ended has left neither."""
    further = sandboxes.create(sandbox.measurements.target, Spec())
    name, bundle = further.name, further.host.directory / further.name
    further.close()

    assert machine.run("test", "-e", str(bundle)).ended == "exit 1"
    left = machine.run("find", "/sys/fs/cgroup", "-name", f"*{name}*").stdout
    assert left == ""
