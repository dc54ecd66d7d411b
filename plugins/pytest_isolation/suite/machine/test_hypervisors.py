"""The hypervisor's process as the host sees it: what a guest that breaks out of its machine would be."""

from __future__ import annotations

import pytest

from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.machine.hypervisors import reachable, why_unconfined_process


@pytest.mark.isolation(
    "vm.process",
    severity="high",
    profile="baseline",
    gains="has, once out of the guest, the host's root or all of a user's files before it",
    refs=["libvirt qemu.conf", "QEMU docs/system/security.rst", "Firecracker docs/jailer.md"],
    kinds=["vm"],
    kinds_reason="a container has no hypervisor; its own process is asked of by user.*, seccomp.*, lsm.* and ns.*",
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

    All of it at once, for a bug in a device's emulation makes the guest this process.  Own namespaces means its
    mounts at least, as libvirt and the jailer give them.  Labelled is asked where the host's processes are.  Its
    cgroup is shown and does not decide: what it is worth is seen under load, by lim.*.
    """
    why = why_unconfined_process(sandbox.vmm.process, host_facts.process)
    assert not why, f"the hypervisor's process {why}"


@pytest.mark.isolation(
    "vm.host_sockets",
    severity="critical",
    profile="baseline",
    gains="steers its own hypervisor, or another user of the host does",
    refs=["QEMU docs/system/security.rst", "QEMU docs/system/vnc-security.rst", "unix(7)"],
    kinds=["vm"],
    kinds_reason="a container has no hypervisor; its engine's sockets are asked of by mgmt.*",
    shows=["vmm.listeners"],
    reproduce="ss -lntxp | grep pid=PID    # on the host, PID of the hypervisor's process",
    remedy="drop -vnc, -spice, -qmp tcp: and -serial tcp:; keep its sockets in a folder that only their user enters",
)
def test_nobody_else_reaches_the_hypervisors_sockets(sandbox: SandboxView) -> None:
    """
    QMP, libvirt, VNC/SPICE, serial sockets are unreachable from guest and other host users.

    Every socket that the hypervisor's process listens on, seen from the host; nothing connects to one.  A TCP port,
    on loopback too, asks nobody who he is, and neither does an abstract name; a path is closed when its own mode, or
    that of a folder on the way, keeps others out.
    """
    found = reachable(sandbox.vmm.listeners)
    assert not found, f"its hypervisor listens on {', '.join(found[:4])}"
