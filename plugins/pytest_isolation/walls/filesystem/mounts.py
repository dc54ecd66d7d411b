"""Where a sandbox's mounts come from, and which of them lead to a sensitive path of the host.

In: two mount tables as facts.  Out: host paths and reasons.  Pure.

Two lines of mountinfo show the same file system when their major:minor are equal (proc_pid_mountinfo(5)); with the
`root` field each says which part of it, so a sandbox's mount can be named by its host path.
"""

from __future__ import annotations

import posixpath
from collections.abc import Collection, Iterable, Sequence

from provisioner.facts.mounts import Mount

# CATALOGUE mnt.host_paths; Pod Security Standards "HostPath Volumes"; CIS Docker 5.6.
SENSITIVE = (
    *("/", "/etc", "/boot", "/dev", "/lib/modules", "/proc", "/root", "/run", "/sys", "/usr"),
    *("/var/lib/docker", "/var/lib/containers", "/var/lib/kubelet", "/var/log"),
)
SENSITIVE_BELOW = ("/etc", "/boot", "/lib/modules", "/root", "/usr", "/var/log", "/proc", "/sys")
SHARED_FOLDERS = frozenset({"9p", "virtiofs", "vboxsf", "vmhgfs", "fuse.vmhgfs-fuse", "prl_fs"})
DEFAULT_NODES = frozenset({"null", "zero", "full", "random", "urandom", "tty", "console", "ptmx"})
# Files that engines make for each sandbox, or hand on from the host on purpose, and how the names of what they bind
# there end: another file of the host's is not given by its place alone.
INITS = ("tini", "tini-static", "docker-init", "catatonit")  # --init: the engine's own, from the host's /usr
GIVEN_FILES = {
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
# A fresh mount of these in the namespace of that kind is the same superblock as the host's own, so that the table
# cannot tell it from a bind of the host's; cgroup's superblock is one for the whole kernel.
KERNEL_OWN = {"proc": ("/proc", "pid"), "sysfs": ("/sys", "net"), "mqueue": ("/dev/mqueue", "ipc")}
CGROUP_TYPES = frozenset({"cgroup", "cgroup2"})
# Where OCI runtimes put masks: maskedPaths of moby, containers/common, containerd, runc, and of nspawn.
MASKED_PATHS = (
    *("/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kallsyms", "/proc/kcore", "/proc/keys"),
    *("/proc/key-users", "/proc/kmsg", "/proc/latency_stats", "/proc/sched_debug", "/proc/scsi", "/proc/timer_list"),
    *("/proc/timer_stats", "/proc/sysrq-trigger", "/sys/firmware", "/sys/devices/virtual/powercap"),
    *("/sys/fs/selinux", "/sys/dev/block", "/proc/config.gz"),
)


# File systems whose files are the kernel's own making: nobody can put a setuid binary there.
WITHOUT_BINARIES = frozenset(
    {
        *("proc", "sysfs", "devpts", "mqueue", "cgroup", "cgroup2", "securityfs", "debugfs", "tracefs", "bpf"),
        *("configfs", "pstore", "efivarfs", "binfmt_misc", "fusectl", "selinuxfs", "nsfs", "hugetlbfs"),
    }
)


def gives_setuid(mount: Mount) -> bool:
    """
    Whether a setuid binary could be put there and would count: writable, neither nosuid nor noexec.

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
    """Return every path under which the host itself reaches what `mount` shows; none when it mounts it nowhere."""
    found = []
    for other in host_mounts:
        if (other.major, other.minor) == (mount.major, mount.minor) and is_at_or_below(mount.root, other.root):
            rest = posixpath.relpath(mount.root, other.root)
            found.append(posixpath.normpath(posixpath.join(other.target, rest)))
    return sorted(set(found), key=lambda path: (len(path), path))


def why_sensitive(path: str) -> str | None:
    """Say why a host path is sensitive, None when it is not: it is, holds, or lies below one of the list."""
    for top in SENSITIVE:
        if path == top or is_at_or_below(top, path):
            return f"the host's {path}" if path == top else f"the host's {path}, which holds {top}"
    for top in SENSITIVE_BELOW:
        if is_at_or_below(path, top):
            return f"the host's {path}"
    if is_at_or_below(path, "/run") and path.endswith((".sock", "socket")):  # an engine's door
        return f"the host's {path}"
    return None


def sensitive_mounts(
    mounts: Sequence[Mount], host_mounts: Sequence[Mount], shared: Collection[str] = (), exe: str = ""
) -> list[str]:
    """
    Name the mounts that lead to a sensitive path of the host.

    Args:
        mounts, host_mounts: the sandbox's table and the host's.
        shared: kinds of namespace that the sandbox has in common with the host.
        exe: the subject's own executable, which is bound in from wherever the tool is installed.

    Returns:
        One text for each, "TARGET is WHAT".
    """
    found = []
    for mount in mounts:
        if _is_innocent(mount, shared, exe):
            continue
        why = next((why for path in host_paths(mount, host_mounts) if (why := _why(mount, path))), None)
        if why:
            found.append(f"{mount.target} is {why}")
    return found


def shared_folders(mounts: Iterable[Mount]) -> list[str]:
    """Name the mounts that are a folder of the host, shared with a VM."""
    return [f"{mount.target} ({mount.fstype})" for mount in mounts if mount.fstype in SHARED_FOLDERS]


def _is_innocent(mount: Mount, shared: Collection[str], exe: str) -> bool:
    if mount.root.endswith(GIVEN_FILES.get(mount.target, ())) or (exe and mount.target == exe):
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
    """Return the mounts' shared peer groups (mount_namespaces(7)), number to one target; `master:` is no member."""
    return {
        int(tag.removeprefix("shared:")): mount.target
        for mount in mounts
        for tag in mount.tags
        if tag.startswith("shared:")
    }


def masks(mounts: Iterable[Mount]) -> list[Mount]:
    """
    Return the mounts that stand over a path which runtimes mask.

    A read-only bind of proc or sysfs itself is a read-only path, not a mask; where one lies over another the last
    one counts.
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
    """Return the mount that is seen at `target`: the last of those that lie over each other there."""
    return next((mount for mount in reversed(list(mounts)) if mount.target == target), None)
