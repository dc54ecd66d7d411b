"""Checks of the hypervisor's process as the host sees it: a guest that breaks out becomes this process."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.machine.holdings import open_to_others, services
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
        *("vmm.process.namespaces", "vmm.process.cgroups", "vmm.process.fds", "vmm.process.handles"),
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
    Of the host's character devices it has only those open that a hypervisor needs, by their numbers.
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


@pytest.mark.isolation(
    "vm.host_files",
    severity="critical",
    profile="baseline",
    gains="reads or changes the guest's memory, disks or consoles, as any user of the host",
    refs=["QEMU docs/system/security.rst", "mmap(2)", "proc_pid_maps(5)", "path_resolution(7)"],
    kinds=["vm"],
    kinds_reason="a container has no hypervisor; mnt.* checks what is shared with the host",
    shows=["vmm.backings"],
    reproduce="ls -lL /proc/PID/fd; grep -E ' .w.s ' /proc/PID/maps    # on the host, PID of the hypervisor's process",
    remedy="chmod 600 its images, memory files, consoles and logs, with its user as owner",
)
def test_nobody_else_reads_or_writes_the_hypervisors_files(sandbox: SandboxView) -> None:
    """
    No other user of the host reads or writes the guest's memory, disks, pipes, terminals or logs.

    The host looks at every file, named pipe and terminal that the hypervisor's process has open or maps shared.
    What it writes, nobody else may read or write; what it only reads, such as a base image, nobody else may write.
    A file is closed if its own mode, or that of a folder above it, keeps others out; a deleted one has no path.
    Access control lists and members of the file's group are not looked at.
    """
    found = open_to_others(sandbox.vmm.process, sandbox.vmm.backings)
    if found:
        raise Open("; ".join(found[:4]))


@pytest.mark.isolation(
    "vm.host_channels",
    severity="critical",
    profile="baseline",
    gains="talks to a service of the host, with the rights of the hypervisor's user",
    refs=["QEMU docs/system/invocation.html, -chardev", "unix(7)", "sock_diag(7)"],
    kinds=["vm"],
    kinds_reason="a container has no hypervisor; ipc.host_sockets and mgmt.* check the sockets that it reaches",
    shows=["vmm.connections"],
    reproduce="ss -xtnp | grep pid=PID    # on the host, PID of the hypervisor's process",
    remedy="drop -chardev socket, -serial tcp:, guestfwd= and vhost-user of services that are not this guest's own",
)
def test_the_hypervisor_is_connected_to_no_service(sandbox: SandboxView) -> None:
    """
    No channel of the guest leads to a socket or port at which a service of the host serves.

    The host looks at the other end of every socket that the hypervisor's process has connected, and at who serves.
    Servers that belong to one guest (a TPM, a shared folder, a network) do not count, nor does what it accepted.
    """
    found = services(sandbox.vmm.connections)
    if found:
        raise Open(f"its hypervisor is connected to {', '.join(found[:4])}")
