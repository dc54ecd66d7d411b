"""Checks of kernel interfaces that a sandbox shares with its host.

Each try has arguments that cannot take effect.
A try passes only by an answer that the call gives after its privilege check (walls/privileged_calls.py).
The report also shows the filter, the capabilities and the label.
A sandbox with its own kernel reaches only that kernel's interfaces.
"""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.privileged_calls import BPF_ROWS, MOUNT_ROWS, SWAP_ROWS, has_none
from pytest_isolation.walls.seccomp.passed import filter_seen

DENIED_BY = ("process.seccomp", "process.capabilities.effective", "process.lsm")  # what may have refused


def shows_tries(*rows: str) -> list[str]:
    """Return the facts that a report shows for these tries: each answer, and what may have refused it."""
    return [*(f"system.tries[{row}]" for row in rows), *DENIED_BY]


def _judge(sandbox: SandboxView, host: HostView, what: str, rows: Iterable[str]) -> None:
    """Assert that none of these rows passes; skip if the host's own kernel has none of the calls."""
    if not sandbox.shares_kernel:
        return  # it reaches its own kernel
    rows = tuple(rows)
    passed = sandbox.rows_passed(rows)
    if passed:
        raise Open(f"{what}: {', '.join(passed)}; {filter_seen(sandbox.process)}")
    if has_none(host.system, rows):
        pytest.skip("this kernel has no such call")


@pytest.mark.isolation(
    "kern.bpf",
    severity="high",
    profile="baseline",
    gains="loads programs into the host's kernel or lists those of others",
    refs=["bpf(2)", "Documentation/admin-guide/sysctl/kernel.rst: unprivileged_bpf_disabled"],
    shows=shows_tries(*BPF_ROWS),
    reproduce="bpftool prog list",
    remedy="drop --cap-add=BPF and SYS_ADMIN; kernel.unprivileged_bpf_disabled=1",
)
def test_bpf_is_unusable(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    bpf() is unusable.

    After the privilege check, bpf(2) refuses a program without instructions with E2BIG.
    An unknown command or an empty map gives the same answer with and without privilege.
    """
    _judge(sandbox, host_facts, "it passes bpf's check of privilege", BPF_ROWS)


@pytest.mark.isolation(
    "kern.perf",
    severity="medium",
    profile="baseline",
    gains="profiles the host's kernel and reads its addresses",
    refs=["perf_event_open(2)", "Documentation/admin-guide/perf-security.rst"],
    shows=shows_tries("perf.software_bad_config"),
    reproduce="perf stat -e cpu-clock:k true",
    remedy="drop --cap-add=PERFMON and SYS_ADMIN; kernel.perf_event_paranoid=2 or more",
)
def test_kernel_profiling_is_unusable(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Kernel profiling is unusable.

    The try asks for an unknown event that includes the kernel: ENOENT comes after the check of perf_event_paranoid.
    """
    _judge(sandbox, host_facts, "it may profile the kernel", ("perf.software_bad_config",))


@pytest.mark.isolation(
    "kern.userfaultfd",
    severity="medium",
    profile="baseline",
    gains="stops the kernel at a page fault that it chooses, which wins races for exploits",
    refs=["userfaultfd(2)", "Documentation/admin-guide/sysctl/vm.rst: unprivileged_userfaultfd"],
    shows=shows_tries("userfaultfd.kernel_bad_flag"),
    reproduce="sysctl vm.unprivileged_userfaultfd",
    remedy="drop --cap-add=SYS_PTRACE; vm.unprivileged_userfaultfd=0; a filter that refuses userfaultfd",
)
def test_kernel_mode_userfaultfd_is_unusable(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Kernel-mode userfaultfd is unusable.

    Without USER_MODE_ONLY the call demands CAP_SYS_PTRACE or the sysctl before it checks for unknown flags.
    """
    _judge(sandbox, host_facts, "it may handle the kernel's own page faults", ("userfaultfd.kernel_bad_flag",))


@pytest.mark.isolation(
    "kern.io_uring",
    severity="medium",
    profile="restricted",
    gains="reaches a kernel interface that filters cannot inspect",
    refs=["io_uring_setup(2)", "moby profiles/seccomp: io_uring dropped in 25.0"],
    shows=shows_tries("io_uring.setup_null"),
    reproduce="sysctl kernel.io_uring_disabled",
    remedy="a filter that refuses io_uring_setup; kernel.io_uring_disabled=2",
)
def test_io_uring_is_unreachable(sandbox: SandboxView, host_facts: HostView) -> None:
    """io_uring is unreachable."""
    _judge(sandbox, host_facts, "io_uring_setup is reached", ("io_uring.setup_null",))


@pytest.mark.isolation(
    "kern.kexec_reboot",
    severity="critical",
    profile="baseline",
    gains="replaces the host's kernel or reboots it",
    refs=["reboot(2)", "kexec_load(2)", "pid_namespaces(7)"],
    shows=[*shows_tries("kexec_load.bad_flags", "reboot.bad_magic"), "process.namespaces.pid"],
    reproduce="grep CapEff /proc/self/status    # bit 22",
    remedy="drop --cap-add=SYS_BOOT, --pid=host",
)
def test_neither_loads_a_kernel_nor_reboots(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Cannot load a kernel; reboot() reaches only its own pid namespace.

    In a pid namespace other than the initial one, reboot(2) only ends the init of that namespace.
    Therefore it counts only in the host's pid namespace.
    A kernel without kexec cannot load another.
    """
    if not sandbox.shares_kernel:
        return  # it loads and reboots its own kernel
    loads = sandbox.rows_passed(["kexec_load.bad_flags"])
    if loads:
        raise Open(f"it may load a kernel: {loads[0]}")
    reboots = sandbox.rows_passed(["reboot.bad_magic"])
    own = sandbox.namespaces.pid != host_facts.namespaces.pid
    if not own and reboots:
        raise Open(f"it may reboot the host, in whose pid namespace it lives: {reboots[0]}")


@pytest.mark.isolation(
    "kern.mount_api",
    severity="high",
    profile="baseline",
    gains="mounts over masks and reaches the code of file systems",
    refs=["mount(2)", "fsopen(2)", "open_tree(2)", "move_mount(2)", "pivot_root(2)"],
    kinds=["container"],
    kinds_reason="a VM mounts with its own kernel",
    shows=shows_tries(*MOUNT_ROWS),
    reproduce="unshare --mount true    # without --user: it may mount",
    remedy="drop --cap-add=SYS_ADMIN; use a filter that refuses these calls",
)
def test_nothing_can_be_mounted(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The sandbox's process may not mount with the rights that it has, by the old or the new interface.

    In its own user namespace a process with CAP_SYS_ADMIN may mount.
    That counts too, because it reaches file system code in the host's kernel.
    The check asks with the rights that the process has: `unshare -Urm mount` first makes a user namespace, in which it
    gets CAP_SYS_ADMIN.
    user.nested_userns checks whether it can make one; if that is open, it may mount there.
    """
    _judge(sandbox, host_facts, "it passes the check of privilege of", MOUNT_ROWS)


@pytest.mark.isolation(
    "kern.swap_acct_quota",
    severity="high",
    profile="baseline",
    gains="switches off the host's swap or logs its processes",
    refs=["swapon(2)", "acct(2)", "quotactl(2)"],
    shows=shows_tries(*SWAP_ROWS),
    reproduce="swapoff /nonexistent    # ENOENT: it may",
    remedy="drop --privileged, --cap-add=SYS_ADMIN and SYS_PACCT",
)
def test_swap_and_accounting_cannot_be_switched(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Swap, accounting and quotas of the host cannot be switched.

    No harmless try shows who may switch quotas: quotactl(2) refuses a bad command before it checks the privilege.
    seccomp.dangerous checks whether a filter refuses that call.
    """
    _judge(sandbox, host_facts, "it passes the check of privilege of", SWAP_ROWS)


@pytest.mark.isolation(
    "kern.fanotify",
    severity="medium",
    profile="baseline",
    gains="sees and delays others' file accesses on the same mount",
    refs=["fanotify_init(2)"],
    shows=shows_tries("fanotify.bad_flag"),
    reproduce="fatrace -c",
    remedy="drop --cap-add=SYS_ADMIN",
)
def test_whole_mounts_cannot_be_watched(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Cannot watch whole mounts.

    Since Linux 5.13 everybody may have a group that reports file handles and watches single inodes.
    The try asks for a group without file handles, which is refused without CAP_SYS_ADMIN before the unknown flag is
    checked.
    """
    _judge(sandbox, host_facts, "it may watch whole mounts", ("fanotify.bad_flag",))


@pytest.mark.isolation(
    "kern.rt_sched",
    severity="medium",
    profile="baseline",
    gains="starves the host's processes of processor time",
    refs=["sched(7)", "sched_setscheduler(2)"],
    shows=shows_tries("sched.fifo"),
    reproduce="chrt --fifo 1 true",
    remedy="drop --cap-add=SYS_NICE and --ulimit rtprio",
)
def test_no_real_time_priority(sandbox: SandboxView, host_facts: HostView) -> None:
    """Cannot take real-time priority."""
    _judge(sandbox, host_facts, "it takes SCHED_FIFO", ("sched.fifo",))
