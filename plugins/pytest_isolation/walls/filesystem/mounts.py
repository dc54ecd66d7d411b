"""Where a sandbox's mounts come from, and which of them lead to a sensitive path of the host.

In: two mount tables as facts.  Out: host paths and reasons.  Pure.

origins.py finds the host paths, host_tree.py says what each is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from provisioner.facts.mounts import Mount
from pytest_isolation.walls.filesystem.copies import names_of
from pytest_isolation.walls.filesystem.host_tree import TOPS, is_at_or_below, is_public, why_sensitive
from pytest_isolation.walls.filesystem.origins import (
    Origin,
    check_layers,
    disks,
    hidden,
    ids_of,
    is_meant,
    origins,
    stores_of,
)

SHARED_FOLDERS = frozenset({"9p", "virtiofs", "vboxsf", "vmhgfs", "fuse.vmhgfs-fuse", "prl_fs"})
# --init: the engine's own, from the host's /usr
INITS = {
    "/sbin/docker-init": ("tini", "tini-static", "docker-init", "catatonit"),
    "/run/podman-init": ("tini", "tini-static", "catatonit"),
    "/dev/init": ("tini", "tini-static", "catatonit"),
}
SHARED_TARGETS = frozenset({"/tmp", "/var/tmp", "/run/lock"})  # dev.shm judges /dev/shm
# A fresh mount of these in a namespace shared with the host has the host's superblock: the table cannot tell it from
# a bind.  The whole kernel has one cgroup superblock.
KERNEL_OWN = {"proc": ("/proc", "pid"), "sysfs": ("/sys", "net"), "mqueue": ("/dev/mqueue", "ipc")}
CGROUP_TYPES = frozenset({"cgroup", "cgroup2"})
# Where OCI runtimes put masks: maskedPaths of moby, containers/common, containerd, runc, and of nspawn.
MASKED_PATHS = (
    *("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kallsyms", "/proc/kcore", "/proc/keys"),
    *("/proc/key-users", "/proc/kmsg", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list"),
    *("/proc/timer_stats", "/proc/sysrq-trigger", "/sys/firmware", "/sys/devices/virtual/powercap"),
    *("/sys/fs/selinux", "/sys/dev/block", "/proc/config.gz"),
)


# File systems of the kernel's own files: no setuid binary can be written there.
WITHOUT_BINARIES = frozenset(
    {
        *("proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "securityfs", "debugfs", "tracefs", "bpf"),
        *("configfs", "pstore", "efivarfs", "binfmt_misc", "fusectl", "selinuxfs", "nsfs", "hugetlbfs"),
    }
)


def gives_setuid(mount: Mount) -> bool:
    """
    Whether a setuid binary on this mount would count: writable, neither nosuid nor noexec.

    A bind of one device of devtmpfs (a default device, or a mask) holds no files.
    """
    if mount.fstype == "devtmpfs" and mount.root != "/":
        return False
    writable = "rw" in mount.options and "rw" in mount.super_options
    guarded = {"nosuid", "noexec"} & set(mount.options)
    return writable and not guarded and mount.fstype not in WITHOUT_BINARIES


def sensitive_mounts(
    mounts: Sequence[Mount], host_mounts: Sequence[Mount], shared: Collection[str] = (), exe: str = ""
) -> list[str]:
    """
    Return the mounts that lead to a path of the host that a sandbox must not have.

    Args:
        mounts, host_mounts: the sandbox's mount table and the host's.
        shared: kinds of namespace that the sandbox shares with the host.
        exe: path of the subject's own executable, which the tool binds in.

    Returns:
        One text for each mount, "TARGET is WHAT".

    Raises:
        UnobservedFact: no mount is wrong, and the table does not tell where an overlay comes from.
    """
    found: dict[int, str] = {}
    shown, unreached = origins(mounts, host_mounts), hidden(mounts)
    stores, ids = stores_of(mounts, shown), ids_of(shown)
    for origin in shown:
        mount = origin.mount
        if id(mount) in found or _is_expected(mount, shared, exe) or is_meant(origin, stores, ids):
            continue
        if why := _why(origin, writable=origin.writable and mount.id not in unreached):
            how = "is" if not origin.layer else f"is an overlay: its {origin.layer} is"
            found[id(mount)] = f"{mount.target} {how} {why}{'' if origin.writable else ' (read-only)'}"
    for mount in disks(mounts, host_mounts):
        found[id(mount)] = f"{mount.target} is a disk that the host does not mount ({mount.source}, {mount.fstype})"
    if not found:
        check_layers(mounts)
    return list(found.values())


def shared_folders(mounts: Iterable[Mount]) -> list[str]:
    """Return the mounts that are a folder of the host, shared with a VM, as text."""
    return [f"{mount.target} ({mount.fstype})" for mount in mounts if mount.fstype in SHARED_FOLDERS]


def _is_expected(mount: Mount, shared: Collection[str], exe: str) -> bool:
    if mount.root.endswith(tuple(f"/{name}" for name in INITS.get(mount.target, ()))) or (exe and mount.target == exe):
        return True
    if mount.fstype in CGROUP_TYPES:
        return is_at_or_below(mount.target, "/sys/fs/cgroup")  # path.cgroup_ro judges it
    place, kind = KERNEL_OWN.get(mount.fstype, ("", ""))
    return bool(place) and kind in shared and is_at_or_below(mount.target, place)


def _why(origin: Origin, writable: bool) -> str | None:
    mount, path = origin.mount, origin.path
    if mount.target == "/":
        return f"the host's {path}" if path in TOPS else None
    if is_at_or_below(path, "/dev") and path != "/dev":
        if path == "/dev/shm" and mount.target != path:
            return f"the host's {path}: memory that all users of the host share"
        return None  # a default device, a mask made of /dev/null; dev.* judges what is below /dev
    if is_public(path) and not writable:
        return None
    if why := why_sensitive(path):
        return why
    if writable and mount.target in SHARED_TARGETS:
        return f"the host's {path}: one folder for all that are given it"
    if writable and "idmapped" in mount.options:
        return f"the host's {path}, idmapped: what it writes there belongs to other users of the host"
    return None


def peer_groups(mounts: Iterable[Mount]) -> dict[int, str]:
    """
    Return the shared peer groups of the mounts (mount_namespaces(7)), each number with one target.

    A mount tagged `master:` is no member of that group.
    """
    return {
        int(tag.removeprefix("shared:")): mount.target
        for mount in mounts
        for tag in mount.tags
        if tag.startswith("shared:")
    }


def masks(mounts: Iterable[Mount]) -> list[Mount]:
    """
    Return the mounts over paths that runtimes mask.

    A read-only bind of proc or sysfs is a read-only path, not a mask.
    If several mounts cover one path, the last one counts.
    A copy of procfs or sysfs has the same paths below its own target.
    """
    mounts = list(mounts)
    paths = {name for path in MASKED_PATHS for name in names_of(mounts, path)}
    cpus = tuple(f"{name}/" for name in names_of(mounts, "/sys/devices/system/cpu"))
    found: dict[str, Mount] = {}
    for mount in mounts:
        if mount.fstype in ("proc", "sysfs") or mount.fstype in CGROUP_TYPES:
            continue
        thermal = mount.target.startswith(cpus) and mount.target.endswith("/thermal_throttle")
        if mount.target in paths or thermal:
            found[mount.target] = mount
    return list(found.values())
