"""Checks of single capabilities over the host (capabilities(7))."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import SandboxView
from pytest_isolation.suite.privileges.test_capabilities import VM_HAS_ITS_OWN
from pytest_isolation.walls.capabilities import names_in


@pytest.mark.isolation(
    "cap.sys_ptrace",
    severity="high",
    profile="baseline",
    gains="takes over any process that it can see",
    refs=["ptrace(2)", "capabilities(7)"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["process.capabilities.effective", "process.capabilities.permitted", "process.namespaces.user"],
    reproduce="grep CapEff /proc/self/status    # bit 19",
    remedy="drop --cap-add=SYS_PTRACE, or run it in a user namespace",
)
def test_no_sys_ptrace_over_the_host(sandbox: SandboxView) -> None:
    """
    No CAP_SYS_PTRACE over host processes.

    Over the initial user namespace it gives access to every visible process, and to kernel-mode userfaultfd.
    """
    if _held_over_host(sandbox, "SYS_PTRACE"):
        raise Open("it holds CAP_SYS_PTRACE over the host")


@pytest.mark.isolation(
    "cap.net_admin",
    severity="high",
    profile="baseline",
    gains="changes the routes and the firewall of a network that others use",
    refs=["capabilities(7)", "user_namespaces(7)"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["process.capabilities.effective", "process.capabilities.permitted", "process.namespaces"],
    reproduce="grep CapEff /proc/self/status    # bit 12",
    remedy="drop --cap-add=NET_ADMIN, or run it in a user namespace that owns its network namespace",
)
def test_no_net_admin_over_the_host(sandbox: SandboxView) -> None:
    """
    No CAP_NET_ADMIN over a network namespace that the sandbox does not own.

    In its own user namespace the capability counts only for the network namespaces that this one owns.
    """
    if _held_over_host(sandbox, "NET_ADMIN"):
        raise Open("it holds CAP_NET_ADMIN over the host")


@pytest.mark.isolation(
    "cap.dac_read_search",
    severity="critical",
    profile="baseline",
    gains="opens any file of the host's file system by its inode number",
    refs=["open_by_handle_at(2)", "capabilities(7)"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["process.capabilities.effective", "process.capabilities.permitted", "process.namespaces.user"],
    reproduce="grep CapEff /proc/self/status    # bit 2",
    remedy="drop --cap-add=DAC_READ_SEARCH",
)
def test_cannot_open_by_handle(sandbox: SandboxView) -> None:
    """
    Cannot open files by handle.

    The capability alone decides: on newer kernels the call gives everybody the same errno.
    """
    if _held_over_host(sandbox, "DAC_READ_SEARCH"):
        raise Open("it holds CAP_DAC_READ_SEARCH over the host")


@pytest.mark.isolation(
    "cap.mknod",
    severity="low",
    profile="restricted",
    gains="makes a node for a device and opens it, if the device cgroup allows it",
    refs=["capabilities(7)", "mknod(2)"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["process.capabilities.effective", "process.namespaces.user", "system.tries[mknod.null_device]"],
    reproduce="mknod /tmp/null c 1 3",
    remedy="--cap-drop=MKNOD",
)
def test_cannot_make_device_nodes(sandbox: SandboxView) -> None:
    """
    Cannot make device nodes.

    mknod(2) asks for the capability over the initial user namespace.
    The try shows less: it also needs a writable folder, which a read-only root lacks.
    """
    if _held_over_host(sandbox, "MKNOD"):
        raise Open("it holds CAP_MKNOD over the host")


@pytest.mark.isolation(
    "cap.rawio_boot_time",
    severity="high",
    profile="baseline",
    gains="writes to hardware, reboots the host or moves its clock",
    refs=["capabilities(7)"],
    kinds=["container"],
    kinds_reason="a VM's firmware and clock are its own",
    shows=["process.capabilities.effective", "process.capabilities.permitted", "process.namespaces.user"],
    reproduce="grep CapEff /proc/self/status    # bits 17, 22, 25",
    remedy="drop --cap-add=SYS_RAWIO, SYS_BOOT, SYS_TIME",
)
def test_no_raw_io_reboot_or_clock(sandbox: SandboxView) -> None:
    """
    No capability for raw I/O, reboot or the clock.

    kern.kexec_reboot and time.set try the calls.
    """
    held = _held_over_host(sandbox, "SYS_RAWIO", "SYS_BOOT", "SYS_TIME")
    if held:
        raise Open(f"it holds {', '.join(held)} over the host")


@pytest.mark.isolation(
    "cap.bpf_perfmon",
    severity="high",
    profile="baseline",
    gains="traces the host's kernel and reads its log and addresses",
    refs=["capabilities(7)", "moby profiles/seccomp"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["process.capabilities.effective", "process.capabilities.permitted", "process.namespaces.user"],
    reproduce="grep CapEff /proc/self/status    # bits 34, 38, 39",
    remedy="drop --cap-add=BPF, PERFMON, SYSLOG: docker's filter opens the calls with them",
)
def test_no_bpf_perfmon_or_syslog(sandbox: SandboxView) -> None:
    """No CAP_BPF, CAP_PERFMON or CAP_SYSLOG."""
    held = _held_over_host(sandbox, "BPF", "PERFMON", "SYSLOG")
    if held:
        raise Open(f"it holds {', '.join(held)} over the host")


def _held_over_host(sandbox: SandboxView, *names: str) -> list[str]:
    return sorted(names_in(sandbox.capabilities_over_host) & set(names))
