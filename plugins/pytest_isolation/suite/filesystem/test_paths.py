"""Checks of files of /proc and /sys that control a kernel.

Type and an open for writing decide, on a fixed list of files that have a write handler; the probe closes them at once.
That a path opens is no evidence: a mask is the null device and opens.
A sandbox with its own kernel controls that kernel.
`test_masks.py` checks the files that must only be hidden.
"""

from __future__ import annotations

from collections.abc import Collection

import pytest

from provisioner.errors import UnobservedFact
from provisioner.facts.system import Path
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.capabilities import mask_of
from pytest_isolation.walls.filesystem import copies
from pytest_isolation.walls.filesystem import paths as walls
from pytest_isolation.walls.filesystem.mounts import CGROUP_TYPES

HELPERS = ("/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/sys/kernel/uevent_helper")


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
    """
    /proc/sys cannot be written (except namespaced net keys), through any mount of procfs.
    """
    if not sandbox.shares_kernel:
        return  # it writes to its own kernel
    opened = _writable(sandbox, "/proc/sys/vm/panic_on_oom", "/proc/sys/kernel/panic")
    if opened:
        raise Open(f"{opened} opens for writing")


@pytest.mark.isolation(
    "path.core_pattern",
    severity="critical",
    profile="baseline",
    gains="runs a program of its own as root on the host when a process crashes",
    refs=["core(5)"],
    shows=["system.paths[/proc/sys/kernel/core_pattern]"],
    reproduce="sh -c ': 1<>/proc/sys/kernel/core_pattern'",
    remedy="drop --privileged: /proc/sys must be mounted read-only",
)
def test_core_handler_cannot_be_replaced(sandbox: SandboxView) -> None:
    """The host's core handler cannot be replaced, through any mount of procfs."""
    if not sandbox.shares_kernel:
        return  # it sets its own kernel's
    opened = _writable(sandbox, "/proc/sys/kernel/core_pattern")
    if opened:
        raise Open(f"{opened} opens for writing")


@pytest.mark.isolation(
    "path.modprobe",
    severity="critical",
    profile="baseline",
    gains="runs a program of its own as root on the host when the kernel loads a module",
    refs=["Documentation/admin-guide/sysctl/kernel.rst, modprobe", "CVE-2022-0492"],
    shows=[f"system.paths[{path}]" for path in HELPERS],
    reproduce="sh -c ': 1<>/proc/sys/kernel/modprobe'",
    remedy="drop --privileged and -v /sys:/sys: /proc/sys and /sys must be mounted read-only",
)
def test_kernel_helpers_cannot_be_replaced(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    `modprobe`, `hotplug`, `uevent_helper` paths are unwritable.

    The kernel runs these programs as root in the initial namespaces, whoever caused it.
    """
    if not sandbox.shares_kernel:
        return  # it names its own kernel's
    opened = _writable(sandbox, *HELPERS)
    if not opened and all(host_facts.system.paths[name].type == "absent" for name in HELPERS):
        pytest.skip("this kernel has none of these files")
    if opened:
        raise Open(f"{opened} opens for writing")


@pytest.mark.isolation(
    "path.sysrq",
    severity="critical",
    profile="baseline",
    gains="reboots or crashes the host",
    refs=["Documentation/admin-guide/sysrq.rst"],
    shows=["system.paths[/proc/sysrq-trigger]"],
    reproduce="sh -c ': 1<>/proc/sysrq-trigger'",
    remedy="drop --privileged: add /proc/sysrq-trigger to readonlyPaths",
)
def test_sysrq_cannot_be_triggered(sandbox: SandboxView, host_facts: HostView) -> None:
    """`sysrq-trigger` cannot be opened for writing."""
    if not sandbox.shares_kernel:
        return  # it triggers its own kernel's
    path = sandbox.system.paths["/proc/sysrq-trigger"]
    if path.type == "absent" and host_facts.system.paths["/proc/sysrq-trigger"].type == "absent":
        pytest.skip("this kernel has no /proc/sysrq-trigger")
    opened = _writable(sandbox, "/proc/sysrq-trigger")
    if opened:
        raise Open(f"{opened} opens for writing")


@pytest.mark.isolation(
    "path.binfmt",
    severity="high",
    profile="baseline",
    gains="runs an interpreter of its own for other users' programs",
    refs=["Documentation/admin-guide/binfmt-misc.rst", "mount(2)"],
    shows=["process.mounts", "system.tries[fsopen.no_such_fs]"],
    reproduce="grep binfmt_misc /proc/self/mounts; grep CapEff /proc/self/status    # bit 21",
    remedy="drop --privileged and --cap-add=SYS_ADMIN; mount no binfmt_misc into it",
)
def test_interpreters_cannot_be_registered(sandbox: SandboxView) -> None:
    """
    binfmt_misc cannot be mounted or registered.

    A registered interpreter runs instead of programs on the host.
    fsopen(2) of an unknown file system shows whether the sandbox may mount.
    A capability in its own user namespace does not reach the host's binfmt_misc: before Linux 6.7 it mounts none, since
    then its own.
    """
    if not sandbox.shares_kernel:
        return  # it registers with its own kernel
    mounted = {mount.target: mount for mount in sandbox.process.mounts if mount.fstype == "binfmt_misc"}
    over_host = sandbox.capabilities_over_host
    hosts = {(mount.major, mount.minor) for mount in sandbox.host.process.mounts if mount.fstype == "binfmt_misc"}
    its_own_users = sandbox.namespaces.user != sandbox.host.namespaces.user
    for target, path in _tried(sandbox, "register:", ("binfmt_misc",)).items():
        is_own = its_own_users and (mounted[target].major, mounted[target].minor) not in hosts
        if not is_own and walls.is_writable(path):
            raise Open(f"{target}/register opens for writing")
    may = sandbox.system.tries["fsopen.no_such_fs"].result == "ENODEV"
    if may and over_host & mask_of(("SYS_ADMIN",)):
        raise Open("it may mount binfmt_misc: fsopen.no_such_fs is not refused")


@pytest.mark.isolation(
    "path.bus_irq_fs",
    severity="high",
    profile="baseline",
    gains="controls interrupts and buses of the host",
    refs=["OCI runtime-spec readonlyPaths", "proc(5)"],
    kinds=["container"],
    kinds_reason="a VM's /proc is its own kernel's",
    shows=[f"system.paths[{path}]" for path in (*walls.CONTROL_FILES, *walls.CONTROL_FILES.values()) if path],
    reproduce="sh -c ': 1<>/proc/irq/default_smp_affinity'; grep -E ' /proc/(bus|fs|irq) ' /proc/self/mounts",
    remedy="drop systempaths=unconfined and unmask=; add /proc/bus, /proc/fs and /proc/irq to readonlyPaths",
)
def test_devices_and_interrupts_cannot_be_steered(sandbox: SandboxView) -> None:
    """
    `/proc/bus`, `/proc/irq`, `/proc/fs`, `/proc/scsi`, `/proc/asound` cannot be written.

    The probe opens files that are known to have a write handler.
    In a folder without such a file the mount decides, together with whether file modes or the label refused the other
    files.
    """
    if not sandbox.shares_kernel:
        return  # its own kernel's
    as_root = walls.is_root_of_host(sandbox.process, sandbox.capabilities_over_host)
    why = walls.why_controllable(sandbox.system.paths, sandbox.process.mounts, as_root)
    if why:
        raise Open(why)


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
    """`/sys` is read-only, and so is every other mount of sysfs or of a part of it."""
    if not sandbox.shares_kernel:
        return  # its own kernel's
    writable = copies.writable_sysfs(sandbox.process.mounts)
    if writable:
        raise Open(f"{', '.join(writable[:4])} is a sysfs that is mounted writable")
    path = sandbox.system.paths["/sys"]
    if path.type == "absent" or (path.type == "dir" and path.entries == 0):
        return
    if not path.read_only:
        raise Open("/sys is mounted writable")


@pytest.mark.isolation(
    "path.cgroup_ro",
    severity="high",
    profile="baseline",
    gains="removes limits or moves processes in the cgroup tree",
    refs=["cgroups(7)", "cgroup-v2.rst, Delegation"],
    kinds=["container"],
    kinds_reason="a VM's cgroups are its own kernel's",
    shows=["system.paths[cgroup.procs:/sys/fs/cgroup]"],
    reproduce="sh -c ': 1<>/sys/fs/cgroup/cgroup.procs'",
    remedy="mount the cgroup tree read-only: drop --privileged, --systemd=always, -v /sys/fs/cgroup:…:rw",
)
def test_cgroup_tree_cannot_be_written(sandbox: SandboxView) -> None:
    """
    The cgroup tree cannot be written.

    The probe opens cgroup.procs of each mounted hierarchy for writing; path.release_agent checks the release_agent.
    """
    tried = _tried(sandbox, "cgroup.procs:", CGROUP_TYPES)
    if not sandbox.shares_kernel:
        return
    opened = [f"cgroup.procs of {target}" for target, path in tried.items() if walls.is_writable(path)]
    if opened:
        raise Open(f"{', '.join(opened)} opens for writing")


@pytest.mark.isolation(
    "path.release_agent",
    severity="critical",
    profile="baseline",
    gains="runs a program of its own as root on the host when a cgroup becomes empty",
    refs=["CVE-2022-0492", "cgroups(7)"],
    kinds=["container"],
    kinds_reason="a VM's cgroups are its own kernel's",
    shows=["process.mounts", "process.capabilities", "system.tries[fsopen.no_such_fs]"],
    reproduce="find /sys/fs/cgroup -maxdepth 2 -name release_agent -exec sh -c ': 1<>{}' \\;",
    remedy="drop --privileged and CAP_SYS_ADMIN; mount the cgroup tree read-only, and on v1 no root of a hierarchy",
)
def test_no_release_agent_can_be_named(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    No v1 `release_agent` is writable.

    The kernel runs it as root of the host when a cgroup becomes empty; only the root of a hierarchy has the file.
    A sandbox with CAP_SYS_ADMIN over the host mounts a hierarchy itself (cgroups(7)).
    fsopen(2) of an unknown file system shows whether it may mount.
    """
    tried = _tried(sandbox, "release_agent:", ("cgroup",))
    if not sandbox.shares_kernel:
        return
    if not any(mount.fstype == "cgroup" for mount in (*host_facts.process.mounts, *sandbox.process.mounts)):
        pytest.skip("the host has no cgroup v1 hierarchy")
    opened = [f"release_agent of {target}" for target, path in tried.items() if walls.is_writable(path)]
    if opened:
        raise Open(f"{', '.join(opened)} opens for writing")
    may_mount = sandbox.system.tries["fsopen.no_such_fs"].result == "ENODEV"
    if may_mount and sandbox.capabilities_over_host & mask_of(("SYS_ADMIN",)):
        raise Open("it may mount a cgroup v1 hierarchy with its release_agent: fsopen.no_such_fs is not refused")


def _writable(sandbox: SandboxView, *names: str) -> str:
    """Return the names under which these kernel files open for writing, at every mount of procfs and sysfs."""
    return ", ".join(copies.shown(sandbox.system.paths, sandbox.process.mounts, names, walls.is_writable))


def _tried(sandbox: SandboxView, prefix: str, fstypes: Collection[str]) -> dict[str, Path]:
    """Return the results of opening one file of each mount of these types, by the mount's target."""
    paths = sandbox.system.paths
    tried = {name.removeprefix(prefix): paths[name] for name in paths.names() if name.startswith(prefix)}
    untried = [one.target for one in sandbox.process.mounts if one.fstype in fstypes and one.target not in tried]
    if untried and not any(path.write == "ok" for path in tried.values()):
        raise UnobservedFact(f"system.paths[{prefix}…]", "", f"{untried[0]} is mounted and was not tried")
    return tried
