"""Checks of the hypervisor's process as the host sees it: a guest that breaks out becomes this process."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.machine.hypervisors import reachable, why_unconfined_process


@pytest.mark.isolation(
    "vm.process",
    severity="high",
    profile="baseline",
    gains="has the host's root, or all of a user's files, once it is out of the guest",
    refs=["libvirt qemu.conf", "QEMU docs/system/security.rst", "Firecracker docs/jailer.md"],
    kinds=["vm"],
    kinds_reason="a container has no hypervisor; user.*, seccomp.*, lsm.* and ns.* check its own process",
    shows=[
        *("vmm.process.uid", "vmm.process.capabilities", "vmm.process.seccomp", "vmm.process.lsm"),
        *("vmm.process.namespaces", "vmm.process.cgroups", "vmm.process.fds"),
    ],
    reproduce="cat /proc/PID/status; ls -l /proc/PID/ns /proc/PID/fd    # on the host, PID of the hypervisor's process",
    remedy='run it as its own user with -sandbox on, and libvirt\'s namespaces = ["mount"]; Firecracker in its jailer',
)
def test_the_hypervisors_process_is_confined(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The VM's host process is unprivileged, filtered, labelled, in its own namespaces and cgroup.

    All of these must hold, because a bug in the emulation of a device makes the guest this process.
    Its own namespaces are at least its mounts, as libvirt and the jailer give them.
    A label is demanded if the host's processes have one.
    Its cgroup is shown and does not decide: lim.* checks it under load.
    """
    why = why_unconfined_process(sandbox.vmm.process, host_facts.process)
    if why:
        raise Open(f"the hypervisor's process {why}")


@pytest.mark.isolation(
    "vm.host_sockets",
    severity="critical",
    profile="baseline",
    gains="controls its own hypervisor, or lets another user of the host do so",
    refs=["QEMU docs/system/security.rst", "QEMU docs/system/vnc-security.rst", "unix(7)"],
    kinds=["vm"],
    kinds_reason="a container has no hypervisor; mgmt.* checks its engine's sockets",
    shows=["vmm.listeners"],
    reproduce="ss -lntxp | grep pid=PID    # on the host, PID of the hypervisor's process",
    remedy="drop -vnc, -spice, -qmp tcp: and -serial tcp:; keep its sockets in a folder that only their user enters",
)
def test_nobody_else_reaches_the_hypervisors_sockets(sandbox: SandboxView) -> None:
    """
    QMP, libvirt, VNC/SPICE, serial sockets are unreachable from guest and other host users.

    The host sees every socket that the hypervisor's process listens on; the check connects to none.
    A TCP port, even on loopback, and an abstract name do not authenticate users.
    A path is closed if its own mode, or that of a folder above it, keeps others out.
    """
    found = reachable(sandbox.vmm.listeners)
    if found:
        raise Open(f"its hypervisor listens on {', '.join(found[:4])}")
