"""Where a sandbox's mounts come from, and which of them lead to a sensitive path of the host.

In: two mount tables as facts.  Out: host paths and reasons.  Pure.

Two lines of mountinfo show the same file system if their major:minor are equal (proc_pid_mountinfo(5)).
The `root` field says which part of it, so a sandbox's mount can be named by its host path.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Sequence

from provisioner.facts.mounts import Mount

# Pod Security Standards "HostPath Volumes"; CIS Docker 5.6.
SENSITIVE = (
    *("/", "/etc", "/boot", "/dev", "/lib/modules", "/proc", "/root", "/run", "/sys", "/usr"),
    *("/var/lib/docker", "/var/lib/containers", "/var/lib/kubelet", "/var/log"),
)
SENSITIVE_BELOW = ("/etc", "/boot", "/lib/modules", "/root", "/usr", "/var/log", "/proc", "/sys")
SHARED_FOLDERS = frozenset({"9p", "virtiofs", "vboxsf", "vmhgfs", "fuse.vmhgfs-fuse", "prl_fs"})
DEFAULT_NODES = frozenset({"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"})
# Files that engines bind on purpose, and how the names of their sources end: another file at that path is not expected.
INITS = ("tini", "tini-static", "docker-init", "catatonit")  # --init: the engine's own, from the host's /usr
ENGINE_FILES = {
    "/etc/resolv.conf": ("resolv.conf",),
    "/etc/hostname": ("hostname",),
    "/etc/hosts": ("hosts",),
    "/run/.containerenv": (".containerenv",),
    "/.dockerenv": (".dockerenv",),
    "/sbin/docker-init": INITS,
    "/run/podman-init": INITS,
    "/dev/init": INITS,
    "/run/host/os-release": ("os-release",),  # systemd-nspawn: systemd.io/CONTAINER_INTERFACE
}
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


def is_at_or_below(path: str, top: str) -> bool:
    """Whether `path` is `top` or lies below it, by whole components."""
    return path == top or path.startswith(top.rstrip("/") + "/")


def host_paths(mount: Mount, host_mounts: Iterable[Mount]) -> list[str]:
    """Return every path under which the host reaches the content of `mount`; none if the host does not mount it."""
    found = []
    for other in host_mounts:
        if (other.major, other.minor) == (mount.major, mount.minor) and is_at_or_below(mount.root, other.root):
            # "net:[4026531840]" is no path: relpath would look at the working folder
            rest = "." if mount.root == other.root else posixpath.relpath(mount.root, other.root)
            found.append(posixpath.normpath(posixpath.join(other.target, rest)))
    return sorted(set(found), key=lambda path: (len(path), path))


def why_sensitive(path: str) -> str | None:
    """Say why a host path is sensitive, or None: it is in the list, holds such a path, or lies below one."""
    for top in SENSITIVE:
        if path == top or is_at_or_below(top, path):
            return f"the host's {path}" if path == top else f"the host's {path}, which holds {top}"
    for top in SENSITIVE_BELOW:
        if is_at_or_below(path, top):
            return f"the host's {path}"
    if is_at_or_below(path, "/run") and path.endswith((".sock", "socket")):  # the socket of a service
        return f"the host's {path}"
    return None


def sensitive_mounts(
    mounts: Sequence[Mount], host_mounts: Sequence[Mount], shared: Collection[str] = (), exe: str = ""
) -> list[str]:
    """
    Return the mounts that lead to a sensitive path of the host.

    Args:
        mounts, host_mounts: the sandbox's mount table and the host's.
        shared: kinds of namespace that the sandbox shares with the host.
        exe: path of the subject's own executable, which the tool binds in.

    Returns:
        One text for each mount, "TARGET is WHAT".
    """
    found = []
    for mount in mounts:
        if _is_expected(mount, shared, exe):
            continue
        why = next((why for path in host_paths(mount, host_mounts) if (why := _why(mount, path))), None)
        if why:
            found.append(f"{mount.target} is {why}")
    return found


def shared_folders(mounts: Iterable[Mount]) -> list[str]:
    """Return the mounts that are a folder of the host, shared with a VM, as text."""
    return [f"{mount.target} ({mount.fstype})" for mount in mounts if mount.fstype in SHARED_FOLDERS]


def _is_expected(mount: Mount, shared: Collection[str], exe: str) -> bool:
    if mount.root.endswith(ENGINE_FILES.get(mount.target, ())) or (exe and mount.target == exe):
        return True
    if mount.fstype in CGROUP_TYPES:
        return is_at_or_below(mount.target, "/sys/fs/cgroup")  # path.cgroup_ro judges it
    place, kind = KERNEL_OWN.get(mount.fstype, ("", ""))
    return bool(place) and kind in shared and is_at_or_below(mount.target, place)


def _why(mount: Mount, path: str) -> str | None:
    if mount.target == "/":
        return f"the host's {path}" if path in SENSITIVE else None
    folder, name = posixpath.split(path)
    if folder == "/dev" and name in DEFAULT_NODES:
        return None  # a default device, or a mask made of /dev/null
    return why_sensitive(path)


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
    """
    found: dict[str, Mount] = {}
    for mount in mounts:
        if mount.fstype in ("proc", "sysfs") or mount.fstype in CGROUP_TYPES:
            continue
        thermal = mount.target.startswith("/sys/devices/system/cpu/") and mount.target.endswith("/thermal_throttle")
        if mount.target in MASKED_PATHS or thermal:
            found[mount.target] = mount
    return list(found.values())


def topmost(mounts: Iterable[Mount], target: str) -> Mount | None:
    """Return the mount that is visible at `target`: the last one there; None if there is none."""
    return next((mount for mount in reversed(list(mounts)) if mount.target == target), None)
