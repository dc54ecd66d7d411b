"""Files of /proc and /sys through which a kernel is steered.

Decided by type and by the result of an open for writing that is closed at once, on the fixed list of files that
have a write handler.  "It opens" is no evidence: a mask is the null device and opens.  A sandbox with a kernel of
its own steers that one.
"""

from __future__ import annotations

import pytest

from provisioner.sandboxes.observed import UnobservedFact
from pytest_isolation.view import HostView, SandboxView
from pytest_isolation.walls import paths as walls
from pytest_isolation.walls.mounts import CGROUP_TYPES, masks

VM_HAS_ITS_OWN = "a VM's /proc and /sys are its own kernel's"


@pytest.mark.isolation(
    "path.proc_sys",
    severity="critical",
    profile="baseline",
    gains="changes the host kernel's settings",
    refs=["OCI runtime-spec readonlyPaths", "sysctl(5)"],
    shows=["system.paths[/proc/sys/vm/panic_on_oom]", "system.paths[/proc/sys/kernel/panic]"],
    reproduce="sh -c ': 1<>/proc/sys/vm/panic_on_oom'",
    remedy="drop --privileged and systempaths=unconfined: /proc/sys must be mounted read-only",
)
def test_proc_sys_cannot_be_written(sandbox: SandboxView) -> None:
    """/proc/sys cannot be written (but for namespaced net keys)."""
    if not sandbox.shares_kernel:
        return  # it writes to its own kernel
    for path in ("/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/panic"):
        assert not walls.is_writable(sandbox.system.paths[path]), f"{path} opens for writing"


@pytest.mark.isolation(
    "path.core_pattern",
    severity="critical",
    profile="baseline",
    gains="has a program of its own run as root on the host when a process crashes",
    refs=["core(5)"],
    shows=["system.paths[/proc/sys/kernel/core_pattern]"],
    reproduce="sh -c ': 1<>/proc/sys/kernel/core_pattern'",
    remedy="drop --privileged: /proc/sys must be mounted read-only",
)
def test_core_handler_cannot_be_replaced(sandbox: SandboxView) -> None:
    """The host's core handler cannot be replaced."""
    if not sandbox.shares_kernel:
        return  # it sets its own kernel's
    path = sandbox.system.paths["/proc/sys/kernel/core_pattern"]
    assert not walls.is_writable(path), "/proc/sys/kernel/core_pattern opens for writing"


@pytest.mark.isolation(
    "path.sysrq",
    severity="critical",
    profile="baseline",
    gains="reboots or crashes the host",
    refs=["Documentation/admin-guide/sysrq.rst"],
    shows=["system.paths[/proc/sysrq-trigger]"],
    reproduce="sh -c ': 1<>/proc/sysrq-trigger'",
    remedy="drop --privileged: /proc/sysrq-trigger belongs to readonlyPaths",
)
def test_sysrq_cannot_be_triggered(sandbox: SandboxView, host_facts: HostView) -> None:
    """`sysrq-trigger` cannot be opened for writing."""
    if not sandbox.shares_kernel:
        return  # it triggers its own kernel's
    path = sandbox.system.paths["/proc/sysrq-trigger"]
    if path.type == "absent" and host_facts.system.paths["/proc/sysrq-trigger"].type == "absent":
        pytest.skip("this kernel has no /proc/sysrq-trigger")
    assert not walls.is_writable(path), "/proc/sysrq-trigger opens for writing"


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
    remedy="drop systempaths=unconfined and unmask=; /proc/kcore belongs to maskedPaths",
)
def test_kernel_memory_is_masked(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Physical and kernel memory images are masked.

    A mask is the null device by its number; a fifo or a file of another file system is no kernel memory either.
    """
    path = sandbox.system.paths["/proc/kcore"]
    if path.type == "absent" and host_facts.system.paths["/proc/kcore"].type == "absent":
        pytest.skip("this kernel has no /proc/kcore")
    if path.type != "file" or not sandbox.shares_kernel:
        return
    assert path.fstype not in (walls.PROC_MAGIC, None), "/proc/kcore is there, an image of the kernel's memory"


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

    The mount table names the masks, lstat and statfs tell what stands there; a private fifo (nspawn's /proc/kmsg)
    hides as well.  A mask that the probe did not look at is judged by its line in the mount table.
    """
    found = masks(sandbox.process.mounts)
    if not found:
        pytest.skip("nothing is masked")
    paths = sandbox.system.paths
    for mount in found:
        seen = mount.target in paths
        why = walls.why_no_mask(paths[mount.target]) if seen else walls.why_no_mask_mount(mount)
        assert not why, f"the mask over {mount.target} is {why}"


@pytest.mark.isolation(
    "path.sys_ro",
    severity="high",
    profile="baseline",
    gains="changes devices and power states of the host",
    refs=["OCI runtime-spec mounts", "sysfs(5)"],
    shows=["system.paths[/sys]"],
    reproduce="grep ' /sys ' /proc/self/mounts",
    remedy="mount /sys read-only: drop --privileged and -v /sys:/sys; lxc.mount.auto = sys:ro",
)
def test_sys_is_read_only(sandbox: SandboxView) -> None:
    """`/sys` is read-only."""
    if not sandbox.shares_kernel:
        return  # its own kernel's
    path = sandbox.system.paths["/sys"]
    if path.type == "absent" or (path.type == "dir" and path.entries == 0):
        return
    assert path.read_only, "/sys is mounted writable"


@pytest.mark.isolation(
    "path.cgroup_ro",
    severity="high",
    profile="baseline",
    gains="lifts limits or moves processes in the cgroup tree",
    refs=["cgroups(7)", "CVE-2022-0492"],
    kinds=["container"],
    kinds_reason="a VM's cgroups are its own kernel's",
    shows=["system.paths[cgroup.procs:/sys/fs/cgroup]"],
    reproduce="sh -c ': 1<>/sys/fs/cgroup/cgroup.procs'",
    remedy="mount the cgroup tree read-only: drop --privileged, --systemd=always, -v /sys/fs/cgroup:…:rw",
)
def test_cgroup_tree_cannot_be_written(sandbox: SandboxView) -> None:
    """
    The cgroup tree cannot be written.

    Each mounted hierarchy's cgroup.procs, and its release_agent where there is one (v1), are opened for writing.
    """
    paths = sandbox.system.paths
    tried = {name: paths[name] for name in paths.names() if name.startswith(("cgroup.procs:", "release_agent:"))}
    mounted = [mount.target for mount in sandbox.process.mounts if mount.fstype in CGROUP_TYPES]
    if mounted and not tried:
        raise UnobservedFact("system.paths[cgroup.procs:…]", "", f"{mounted[0]} is mounted and was not tried")
    if not sandbox.shares_kernel:
        return
    opened = [name.replace(":", " of ", 1) for name, path in tried.items() if walls.is_writable(path)]
    assert not opened, f"{', '.join(opened)} opens for writing"
