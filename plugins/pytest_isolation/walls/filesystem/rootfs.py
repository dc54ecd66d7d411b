"""What a sandbox's root is: writable, shared with a peer, moved over the host's; and which flags its mounts have.

In: facts of mounts and handles.  Out: reasons, empty if there is none.  Pure.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from provisioner.facts.mounts import Mount
from provisioner.facts.process import Process
from pytest_isolation.walls.filesystem.host_tree import is_at_or_below
from pytest_isolation.walls.filesystem.mounts import KERNEL_OWN
from pytest_isolation.walls.filesystem.origins import host_paths, topmost

# OCI runtime-spec's example and moby daemon/pkg/oci/defaults.go; a nosuid devpts is no wall of its own
FLAGS = {
    "/proc": ("nosuid", "nodev", "noexec"),
    "/sys": ("nosuid", "nodev", "noexec"),
    "/dev": ("nosuid",),
    "/dev/shm": ("nosuid", "nodev", "noexec"),
    "/dev/mqueue": ("nosuid", "nodev", "noexec"),
}
KERNEL_FOLDERS = ("/proc", "/sys", "/dev")  # path.* and dev.* judge what is below


def is_read_only(mount: Mount) -> bool:
    """Whether the mount or its file system is read-only (proc_pid_mountinfo(5))."""
    return "ro" in mount.options or "ro" in mount.super_options


def missing_flags(mounts: Sequence[Mount], host_mounts: Sequence[Mount], shared: Collection[str]) -> list[str]:
    """
    Return the mounts of FLAGS that lack a flag; a path without a mount lacks none.

    A mount that is bound from the host has the host's flags: other checks report it.
    A fresh mount in a shared namespace has the host's superblock, and is checked.

    Args:
        mounts, host_mounts: the sandbox's mount table and the host's.
        shared: kinds of namespace that the sandbox shares with the host.
    """
    hosts = {(mount.major, mount.minor) for mount in host_mounts}
    found = []
    for target, flags in FLAGS.items():
        mount = topmost(mounts, target)
        if mount is None:
            continue
        fresh = KERNEL_OWN.get(mount.fstype, ("", ""))[1] in shared
        lacking = [flag for flag in flags if flag not in mount.options]
        if lacking and (fresh or (mount.major, mount.minor) not in hosts):
            found.append(f"{target} lacks {', '.join(lacking)}")
    return found


def read_only_binds(mounts: Iterable[Mount]) -> list[Mount]:
    """Return the read-only mounts except the root and the kernel's own folders."""
    return [
        mount
        for mount in mounts
        if "ro" in mount.options
        and mount.target != "/"
        and not any(is_at_or_below(mount.target, top) for top in KERNEL_FOLDERS)
    ]


def writable_below(mounts: Sequence[Mount]) -> list[str]:
    """Return the writable mounts on a read-only bind, as text: `ro` is a flag of one mount (mount(8))."""
    over = {mount.id: mount.target for mount in read_only_binds(mounts)}
    return [
        f"{mount.target} is writable below the read-only {over[mount.parent]}"
        for mount in mounts
        if mount.parent in over and "ro" not in mount.options and not is_read_only(mount)
    ]


def folders_outside_root(process: Process) -> list[str]:
    """
    Return the folders that a process holds outside its root, by descriptor (CVE-2024-21626).

    The mount table holds only mounts below the process's root, so a mount id that it lacks lies outside.
    """
    own = {mount.id for mount in process.mounts}
    handles = process.handles
    found = []
    for name in handles.names():
        handle = handles[name]
        if handle.type == "dir" and handle.mount not in own:
            found.append(name if not name.isdecimal() else f"descriptor {name}")
    return found


def runs_from_outside(process: Process) -> bool:
    """Whether its program lies on a mount outside its root; a sealed copy in memory (memfd_create(2)) does not."""
    own = {mount.id for mount in process.mounts}
    return process.handles["exe"].mount not in own and not process.exe.startswith("/memfd:")


def why_same_root(process: Process, other: Process) -> str:
    """Say how the roots of two processes are one folder, or write to one; "" if they are separate."""
    own, others = process.handles["root"], other.handles["root"]
    if (own.major, own.minor, own.inode) == (others.major, others.minor, others.inode):
        return "its root is the very folder of its peer's"
    upper, other_upper = (_upper(one.mounts) for one in (process, other))
    return f"its root writes to {upper}, and so does its peer's" if upper and upper == other_upper else ""


def _upper(mounts: Sequence[Mount]) -> str:
    """Return the upper folder of an overlay root (overlayfs.rst); "" if the root is no overlay."""
    root = topmost(mounts, "/")
    options = root.super_options if root is not None and root.fstype == "overlay" else []
    return next((one.removeprefix("upperdir=") for one in options if one.startswith("upperdir=")), "")


def why_host_root_beneath(process: Process, host: Process) -> str:
    """
    Say how the host's root lies beneath a process's own; "" if it does not.

    pivot_root(2) puts the new root where the old one was, on the kernel's rootfs.
    Moving a mount over "/" and chroot(2), as `runc run --no-pivot` does, leaves the old root below it, where umount(2)
    uncovers it.
    """
    beneath, under_host = process.beneath, host.beneath
    root = topmost(host.mounts, "/")
    if beneath is None:
        return ""
    if root is not None and (beneath.major, beneath.minor) == (root.major, root.minor):
        return "the host's root lies beneath its own: it was moved there, not pivoted"
    if under_host is not None and (beneath.major, beneath.minor) != (under_host.major, under_host.minor):
        return "another root lies beneath its own: it was moved there, not pivoted"
    return ""


def shared_memory(mounts: Sequence[Mount], host_mounts: Sequence[Mount], own_ipc: bool) -> list[str]:
    """
    Return what of /dev/shm and /dev/mqueue is the host's, or has no size limit (tmpfs(5), size=).

    Args:
        mounts, host_mounts: the sandbox's mount table and the host's.
        own_ipc: whether the sandbox has its own IPC namespace.
    """
    found = []
    shm, mqueue = topmost(mounts, "/dev/shm"), topmost(mounts, "/dev/mqueue")
    for mount, place in ((shm, "/dev/shm"), (mqueue if own_ipc else None, "/dev/mqueue")):
        paths = [] if mount is None else host_paths(mount, host_mounts)
        if any(is_at_or_below(place, path) for path in paths):
            found.append(f"{place} is the host's")
        elif mount is not None and mount.fstype not in ("tmpfs", "mqueue") and paths:
            found.append(f"{place} is the host's {paths[0]}, one folder for all that are given it")
    hosts = {(one.major, one.minor) for one in host_mounts if one.fstype == "mqueue"} if own_ipc else set()
    found += [
        f"{one.target} is the host's mqueue"
        for one in mounts
        if one.fstype == "mqueue" and one.target != "/dev/mqueue" and (one.major, one.minor) in hosts
    ]
    bounds = ("size=", "nr_blocks=")
    if shm is not None and shm.fstype == "tmpfs" and not any(one.startswith(bounds) for one in shm.super_options):
        found.append("/dev/shm has no bound of its own")
    return found


def mounts_of_peer(process: Process, peer: Process) -> list[str]:
    """Return the targets of mounts that show the root of another sandbox, or a folder that holds it."""
    own, theirs = topmost(process.mounts, "/"), topmost(peer.mounts, "/")
    if own is None or theirs is None or (own.major, own.minor, own.root) == (theirs.major, theirs.minor, theirs.root):
        return []
    return [
        mount.target
        for mount in process.mounts
        if mount.target != "/"
        and (mount.major, mount.minor) == (theirs.major, theirs.minor)
        and is_at_or_below(theirs.root, mount.root)
    ]
