"""Checks of files of /proc and /sys that show facts of the host: each must be masked or absent.

The file that is there decides (device number, file system, entries): a mask can be opened too.
A sandbox with its own kernel sees that kernel's files.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.filesystem import paths as walls
from pytest_isolation.walls.filesystem.copies import names_of, shown
from pytest_isolation.walls.filesystem.mounts import masks

VM_HAS_ITS_OWN = "a VM's /proc and /sys are its own kernel's"
# What OCI default lists (runc libcontainer/specconv/example.go) mask beside kcore.  /proc/key-users is in none:
# it counts keys and shows none.
KEYS = ("/proc/keys", "/proc/timer_list", "/proc/timer_stats", "/proc/sched_debug", "/proc/latency_stats")
ACTIVITY = ("/proc/interrupts", "/sys/devices/system/cpu/cpu0/thermal_throttle")
FIRMWARE = ("/sys/firmware", "/sys/firmware/efi/efivars", "/proc/acpi", "/sys/fs/pstore")
TRACING = ("/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security", "/sys/fs/bpf")
TRACING_TYPES = ("debugfs", "tracefs", "securityfs", "bpf")


@pytest.mark.isolation(
    "path.kcore",
    severity="critical",
    profile="baseline",
    gains="reads the memory of the host's kernel, with all keys in it",
    refs=["OCI runtime-spec maskedPaths", "proc_kcore(5)"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["system.paths[/proc/kcore]"],
    reproduce="stat -c '%F %t:%T' /proc/kcore",
    remedy="drop systempaths=unconfined and unmask=; add /proc/kcore to maskedPaths",
)
def test_kernel_memory_is_masked(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Physical and kernel memory images are masked.

    A mask is the null device by its number.
    A fifo or a file of another file system is no kernel memory either.
    """
    path = sandbox.system.paths["/proc/kcore"]
    if path.type == "absent" and host_facts.system.paths["/proc/kcore"].type == "absent":
        pytest.skip("this kernel has no /proc/kcore")
    if not sandbox.shares_kernel:
        return
    found = shown(sandbox.system.paths, sandbox.process.mounts, ["/proc/kcore"], walls.is_file_of_proc)
    if found:
        raise Open(f"{', '.join(found)} is there, an image of the kernel's memory")


@pytest.mark.isolation(
    "path.keys",
    severity="medium",
    profile="baseline",
    gains="lists the keys and timers of the host's processes",
    refs=["OCI runtime-spec maskedPaths", "proc_keys(5)"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=[f"system.paths[{path}]" for path in (*KEYS, "/proc/key-users")],
    reproduce="stat -c '%n %F %t:%T' /proc/keys /proc/timer_list",
    remedy="drop systempaths=unconfined and unmask=; add these files to maskedPaths",
)
def test_keys_and_timers_are_masked(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    `/proc/keys`, timer and scheduler debug files are masked.

    They name other users' keys, and the host's processes with their timers.
    """
    _must_hide(sandbox, host_facts, KEYS)


@pytest.mark.isolation(
    "path.interrupts",
    severity="medium",
    profile="baseline",
    gains="learns from interrupts when other users type or work",
    refs=["GHSA-6fw5-f8r9-fgfm", "proc_interrupts(5)"],
    shows=[f"system.paths[{path}]" for path in ACTIVITY],
    reproduce="stat -c '%n %F %t:%T' /proc/interrupts",
    remedy="update the engine (docker 28.0.2), or mask it: podman --security-opt mask=/proc/interrupts; maskedPaths",
)
def test_interrupt_counts_are_masked(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    `/proc/interrupts` and `thermal_throttle` (keystroke/activity side channel) are masked.

    The time between two interrupts of a keyboard or network card shows what is typed and sent on the host.
    """
    _must_hide(sandbox, host_facts, ACTIVITY)


@pytest.mark.isolation(
    "path.powercap",
    severity="medium",
    profile="baseline",
    gains="reads secrets from the power that the processor uses",
    refs=["GHSA-jq35-85cj-fj4p", "CVE-2020-8694"],
    shows=["system.paths[/sys/devices/virtual/powercap]"],
    reproduce="ls /sys/devices/virtual/powercap",
    remedy="update the engine (docker 25.0), or mask it: podman --security-opt mask=…; give a guest no RAPL",
)
def test_energy_counters_are_masked(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Energy counters are masked.

    The power that a processor uses depends on its computation (PLATYPUS).
    The counters of a guest come from the host's processor, passed on or emulated.
    """
    path = "/sys/devices/virtual/powercap"
    if sandbox.shares_kernel:
        _must_hide(sandbox, host_facts, (path,))
    if walls.shows_kernel(sandbox.system.paths[path]):
        raise Open(f"{path} is there in the guest")


@pytest.mark.isolation(
    "path.firmware",
    severity="high",
    profile="baseline",
    gains="reads firmware tables and boot variables of the host, or writes them",
    refs=["OCI runtime-spec maskedPaths", "CVE-2018-10892"],
    shows=[f"system.paths[{path}]" for path in FIRMWARE],
    reproduce="ls /sys/firmware /proc/acpi /sys/fs/pstore",
    remedy="drop --privileged, systempaths=unconfined and -v /sys:/sys; add these paths to maskedPaths",
)
def test_firmware_is_masked(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    `/sys/firmware`, `/proc/acpi`, efivars, pstore are masked.

    Read-only access is not enough: the tables and variables identify the machine, and hold keys.
    """
    _must_hide(sandbox, host_facts, FIRMWARE)
    if sandbox.shares_kernel:
        mounted = [one.target for one in sandbox.process.mounts if one.fstype in ("efivarfs", "pstore")]
        strange = [target for target in mounted if target not in sandbox.system.paths]
        if strange:
            raise Open(f"{', '.join(strange)} is there")


@pytest.mark.isolation(
    "path.mask_real",
    severity="high",
    profile="baseline",
    gains="reads what the mask should hide",
    refs=["CVE-2025-31133", "CVE-2025-52565", "OCI runtime-spec maskedPaths"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["process.mounts", "system.paths"],
    reproduce="grep -E ' /(proc|sys)/' /proc/self/mountinfo; stat -c '%n %F %t:%T' /proc/kcore /proc/keys",
    remedy="update the runtime: a mask must be the null device or an empty read-only tmpfs",
)
def test_masks_are_what_they_seem(sandbox: SandboxView) -> None:
    """
    Each masked path is really the null device or an empty read-only tmpfs, not a symlink or other file.

    The mount table names the masks, in every mount of procfs and sysfs; lstat and statfs show what is there.
    A private fifo hides too (nspawn's /proc/kmsg).
    The mount table alone decides about a mask that the probe did not look at.
    """
    found = masks(sandbox.process.mounts)
    if not found:
        pytest.skip("nothing is masked")
    paths = sandbox.system.paths
    for mount in found:
        seen = mount.target in paths
        why = walls.why_no_mask(paths[mount.target]) if seen else walls.why_no_mask_mount(mount)
        if why:
            raise Open(f"the mask over {mount.target} is {why}")


@pytest.mark.isolation(
    "path.kallsyms",
    severity="low",
    profile="baseline",
    gains="knows the addresses of the kernel's code, which exploits need",
    refs=["Documentation/admin-guide/sysctl/kernel.rst, kptr_restrict"],
    kinds=["container"],
    kinds_reason=VM_HAS_ITS_OWN,
    shows=["system.kernel_state"],
    reproduce="grep -vm1 ^00000000 /proc/kallsyms",
    remedy="drop CAP_SYSLOG; sysctl kernel.kptr_restrict=1; mask /proc/kallsyms",
)
def test_kernel_addresses_are_hidden(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Kernel addresses are hidden.

    Most containers have the file.
    It shows addresses depending on CAP_SYSLOG, kernel.kptr_restrict and kernel.perf_event_paranoid.
    Each further mount of procfs has the file too.
    """
    state = sandbox.system.kernel_state
    addresses = state.addresses
    if not sandbox.shares_kernel:
        return  # its own kernel's
    if addresses is None and host_facts.system.kernel_state.addresses is None:
        pytest.skip("this kernel has no /proc/kallsyms")
    if addresses:
        raise Open("/proc/kallsyms shows the kernel's addresses")
    further = [name for name in names_of(sandbox.process.mounts, "/proc/kallsyms")[1:] if name in state.addresses_at]
    if further:
        raise Open(f"{', '.join(further)} shows the kernel's addresses")


@pytest.mark.isolation(
    "path.debugfs",
    severity="high",
    profile="baseline",
    gains="traces and controls the host's kernel",
    refs=["Documentation/trace/ftrace.rst", "Documentation/filesystems/debugfs.rst"],
    shows=[f"system.paths[{path}]" for path in TRACING],
    reproduce="ls /sys/kernel/debug /sys/kernel/tracing /sys/kernel/security /sys/fs/bpf",
    remedy="drop -v /sys/kernel/debug:…; for LXC clear the optional binds of common.conf by lxc.mount.entry=",
)
def test_debugging_file_systems_are_empty(sandbox: SandboxView) -> None:
    """
    debugfs, tracefs, securityfs, bpffs are empty or absent.

    A fresh sysfs has empty folders at these paths; mounts at other paths count as well.
    A bpffs that the host does not mount may be the sandbox's own.
    """
    paths, mounts = sandbox.system.paths, sandbox.process.mounts
    if not sandbox.shares_kernel:
        return  # its own kernel's
    hosts = {(mount.major, mount.minor) for mount in sandbox.host.process.mounts if mount.fstype in TRACING_TYPES}
    of_type = [mount for mount in mounts if mount.fstype in TRACING_TYPES]
    its_own = {mount.target for mount in of_type if mount.fstype == "bpf" and (mount.major, mount.minor) not in hosts}
    found = [path for path in TRACING if walls.shows_kernel(paths[path]) and path not in its_own]
    found += [mount.target for mount in of_type if mount.target not in paths and mount.target not in its_own]
    if found:
        raise Open(f"{', '.join(found)} is there, with something in it")


def _must_hide(sandbox: SandboxView, host: HostView, names: Sequence[str]) -> None:
    """Fail if the sandbox sees one of these kernel files; skip if the host's kernel has none of them."""
    if not sandbox.shares_kernel:
        return
    paths, hosts = sandbox.system.paths, host.system.paths
    found = shown(paths, sandbox.process.mounts, names, walls.shows_kernel)
    if not found and all(hosts[name].type == "absent" for name in names):
        pytest.skip(f"this kernel has no {' nor '.join(names)}")
    if found:
        raise Open(f"{', '.join(found)} is there")
