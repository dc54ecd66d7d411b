"""Whether a sandbox can leave its cgroup, or raise the limits of its own cgroup.  Pure.

In: the mounts and cgroups of a process (one view), and the paths that the probe inside opened for writing.
Out: the names of files that open.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath

from provisioner.errors import UnobservedFact
from provisioner.facts.mounts import Mount
from provisioner.facts.process import Cgroup
from provisioner.facts.system import Path
from provisioner.observed import FactMap
from pytest_isolation.walls.filesystem.mounts import CGROUP_TYPES
from pytest_isolation.walls.filesystem.paths import is_writable

PROCS = "cgroup.procs"
LIMIT_FILES = (
    *("memory.max", "memory.high", "memory.swap.max", "cpu.max", "pids.max", "cpuset.cpus", "io.max"),
    *("memory.limit_in_bytes", "memory.oom_control", "cpu.cfs_quota_us", "devices.allow"),
)


def ways_out(mounts: Iterable[Mount], cgroups: Iterable[Cgroup], paths: FactMap[Path]) -> list[str]:
    """
    Return the cgroup.procs files that open for writing, of cgroups outside the process's own.

    Args:
        mounts: the mounts of the sandbox, in the same view as `cgroups`.
        cgroups: the cgroups of its process.
        paths: what the probe inside opened.
    """
    opened: list[str] = []
    cgroups = list(cgroups)
    for mount in _last(mounts).values():
        own = own_path(mount, cgroups)
        top, known = f"{PROCS}:{mount.target}", set(paths.names())
        if own is None or is_at_or_below(mount.root, own):
            continue  # all that the mount shows is in its own cgroup
        if top in known and is_writable(paths[top]):
            opened.append(f"{mount.target}/{PROCS}")
        for folder in _above(mount, own):
            name = f"{folder}/{PROCS}"
            if folder != mount.target and name in known and is_writable(paths[name]):
                opened.append(name)
    return opened


def raised(mounts: Iterable[Mount], cgroups: Iterable[Cgroup], paths: FactMap[Path], is_namespace: bool) -> list[str]:
    """
    Return the files with the limits of the process's own cgroup that open for writing.

    With the mount option nsdelegate the kernel refuses to write them at the root of a cgroup namespace
    (cgroup-v2.rst, Delegation), after it let them be opened.

    Args:
        mounts: the mounts of the sandbox, in the same view as `cgroups`.
        cgroups: the cgroups of its process.
        paths: what the probe inside opened.
        is_namespace: whether its own cgroup is the root of a cgroup namespace of its own.

    Raises:
        UnobservedFact: its own cgroup is in reach, and the probe did not try its files.
    """
    opened: list[str] = []
    cgroups = list(cgroups)
    for mount in _last(mounts).values():
        own = own_path(mount, cgroups)
        if own is None or not is_at_or_below(own, mount.root):
            continue
        folder = _folder(mount, own)
        if f"{folder}/{PROCS}" not in paths.names():
            raise UnobservedFact(f"system.paths[{folder}/{PROCS}]", "", "it is mounted and was not tried")
        if is_namespace and "nsdelegate" in mount.super_options:
            continue
        names = (f"{folder}/{file}" for file in LIMIT_FILES)
        opened += [name for name in names if name in paths.names() and is_writable(paths[name])]
    return opened


def own_path(mount: Mount, cgroups: Iterable[Cgroup]) -> str | None:
    """Return the path of a process in the hierarchy of a mount; None if it is in none of that hierarchy."""
    for one in cgroups:
        if mount.fstype == "cgroup2" and one.hierarchy == 0 and not one.controllers:
            return one.path
        if mount.fstype == "cgroup" and one.controllers and set(one.controllers) <= set(mount.super_options):
            return one.path
    return None


def is_at_or_below(path: str, top: str) -> bool:
    """Tell whether a path of a hierarchy is another one, or below it; above a namespace's root it begins with "/.."."""
    return ".." not in PurePosixPath(path).parts and PurePosixPath(path).is_relative_to(top)


def _last(mounts: Iterable[Mount]) -> Mapping[str, Mount]:
    """Return the cgroup mounts by their targets; a later mount hides an earlier one."""
    return {mount.target: mount for mount in mounts if mount.fstype in CGROUP_TYPES}


def _folder(mount: Mount, own: str) -> str:
    return str(PurePosixPath(mount.target) / PurePosixPath(own).relative_to(mount.root))


def _above(mount: Mount, own: str) -> list[str]:
    """Return the folders of the mount that are above a process's own cgroup."""
    if not is_at_or_below(own, mount.root):
        return []
    folder = PurePosixPath(_folder(mount, own))
    return [str(one) for one in folder.parents if one.is_relative_to(mount.target)]
