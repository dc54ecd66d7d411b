"""The names of the kernel's files: a further mount of procfs or sysfs shows the same files elsewhere.

In: a mount table, and observed paths.  Out: names, and the paths behind them.  Pure.

A bind of a part of procfs (`-v /proc/sys:/opt/s`), of one file, and a mount made new are all lines of the mount table
with the type proc or sysfs (proc_pid_mountinfo(5)); `root` says which part.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from provisioner.errors import UnobservedFact
from provisioner.facts.mounts import Mount
from provisioner.facts.system import Path
from provisioner.observed import FactMap
from pytest_isolation.walls.filesystem.host_tree import is_at_or_below
from pytest_isolation.walls.filesystem.origins import topmost

PLACES = {"proc": "/proc", "sysfs": "/sys"}
NETWORK = "/sys/devices/virtual/net"  # lxc.container.conf(5), sys:mixed: of its own network namespace
# sysfs_create_mount_point() of Linux's fs/sysfs/mount.c: empty folders, which LXC's common.conf binds
MOUNT_POINTS = (
    *("/sys/fs/fuse/connections", "/sys/fs/pstore", "/sys/fs/bpf", "/sys/fs/cgroup", "/sys/firmware/efi/efivars"),
    *("/sys/kernel/debug", "/sys/kernel/tracing", "/sys/kernel/security", "/sys/kernel/config"),
)


def place_of(mount: Mount) -> str:
    """Return the name under /proc or /sys of what this mount of procfs or sysfs shows."""
    return PLACES[mount.fstype] + ("" if mount.root == "/" else mount.root)


def shows_processes(mount: Mount) -> bool:
    """Whether this mount shows processes of a procfs: the whole, or the folder of one process."""
    return mount.fstype == "proc" and (mount.root == "/" or mount.root.split("/")[1].isdecimal())


def names_of(mounts: Iterable[Mount], path: str) -> list[str]:
    """Return the path of a kernel file, and its name below each further mount that shows it."""
    found = [path]
    for mount in mounts:
        if mount.fstype not in PLACES:
            continue
        place = place_of(mount)
        if is_at_or_below(path, place):
            name = mount.target.rstrip("/") + path[len(place) :]
            if name not in found:
                found.append(name)
    return found


def shown(
    paths: FactMap[Path], mounts: Sequence[Mount], wanted: Iterable[str], test: Callable[[Path], bool]
) -> list[str]:
    """
    Return the names of the kernel files, wherever they are mounted, for which a test is true.

    Args:
        paths: the observed paths.
        mounts: the mount table of the sandbox.
        wanted: paths below /proc and /sys.
        test: the question about one path.

    Raises:
        UnobservedFact: no answer is true, and one of them could not be observed.
    """
    found, missing = [], None
    for name in [name for path in wanted for name in names_of(mounts, path)]:
        try:
            if test(paths[name]):
                found.append(name)
        except UnobservedFact as error:
            missing = missing or error
    if missing and not found:
        raise missing
    return found


def writable_sysfs(mounts: Sequence[Mount]) -> list[str]:
    """Return where a writable sysfs is mounted besides /sys; the devices of a network namespace are no settings."""
    return [
        mount.target
        for mount in mounts
        if mount.fstype == "sysfs"
        and mount.target != "/sys"
        and not is_at_or_below(place_of(mount), NETWORK)
        and place_of(mount) not in MOUNT_POINTS
        and "ro" not in mount.options
        and "ro" not in mount.super_options
        and topmost(mounts, mount.target) is mount
    ]
