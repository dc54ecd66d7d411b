"""Tells what a sandbox has for itself from what was there before it: a neighbour's namespace, a cgroup of several.

In: the state of this machine before a sandbox was created.  Out: the namespaces and cgroups that were made for it.
docs/decisions/0031 gives the reason.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from provisioner.facts.namespaces import NAMESPACES
from provisioner.facts.process import Cgroup, Process
from provisioner.linux.mounts import MountPoint, read_mounts
from provisioner.linux.processes import clock_now, read_process

NEVER_OWN = ("time", "user")  # other sandboxes may share a user namespace on purpose; the time namespace is the host's


@dataclass(frozen=True)
class Earlier:
    """
    What there was before a sandbox was created.

    Attributes:
        clock: the time, in clock ticks since the boot.
        bound: the namespaces that a mount keeps, such as "net:[4026532001]", each with its mount point.
        cgroups: the folders of all cgroups.
    """

    clock: int
    bound: frozenset[tuple[str, Path]]
    cgroups: frozenset[Path]


def read_earlier() -> Earlier:
    """Return what there is on this machine now."""
    mounts = read_mounts()
    tops = [str(mount.target) for mount in _of_cgroups(mounts)]
    cgroups = frozenset(Path(folder) for top in tops for folder, _, _ in os.walk(top))
    return Earlier(clock_now(), _bound(mounts), cgroups)


def own_namespaces(subject: Process, host: Process, earlier: Earlier) -> dict[str, int]:
    """
    Return the inodes of the namespaces that were made for a running sandbox, by kind.

    A namespace is a neighbour's, or that of an engine's daemon, if a process in it is older than the sandbox, or a
    mount has kept it since.  Its number alone says nothing: the kernel gives a number again when it is free.

    Args:
        subject: the sandbox's first process.
        host: a process of the host.
        earlier: what there was before the sandbox.
    """
    found = {}
    for kind in NAMESPACES:
        own, hosts = subject.namespaces.raw(kind), host.namespaces.raw(kind)
        if isinstance(own, int) and own != hosts and kind not in NEVER_OWN:
            found[kind] = own
    kept = earlier.bound & _bound(read_mounts())
    shared = {root for root, _ in kept} | _links_of_older(found, earlier.clock)
    return {kind: inode for kind, inode in found.items() if f"{kind}:[{inode}]" not in shared}


def own_cgroups(subject: Process, host: Process, earlier: Earlier) -> list[Path]:
    """
    Return the folders of a sandbox's cgroups, except those of the host's process and those that were there before.

    Args:
        subject: the sandbox's first process.
        host: a process of the host.
        earlier: what there was before the sandbox.
    """
    hosts = {(tuple(line.controllers), line.path) for line in host.cgroups}
    mounts = _of_cgroups(read_mounts())
    lines = [line for line in subject.cgroups if (tuple(line.controllers), line.path) not in hosts and line.path != "/"]
    folders = [mount.target / line.path.lstrip("/") for line in lines for mount in mounts if _holds(mount, line)]
    return [folder for folder in folders if folder not in earlier.cgroups]


def _of_cgroups(mounts: Iterable[MountPoint]) -> list[MountPoint]:
    return [mount for mount in mounts if mount.fstype in ("cgroup", "cgroup2")]


def _holds(mount: MountPoint, line: Cgroup) -> bool:
    return {*line.controllers} <= {*mount.options} if line.controllers else mount.fstype == "cgroup2"


def _bound(mounts: Iterable[MountPoint]) -> frozenset[tuple[str, Path]]:
    return frozenset((mount.root, mount.target) for mount in mounts if mount.fstype == "nsfs")


def _links_of_older(kinds: Iterable[str], clock: int) -> set[str]:
    """Return the namespaces of these kinds, as /proc/PID/ns names them, of processes that were started before."""
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and (process := read_process(int(folder.name))) and process.start < clock:
            for kind in kinds:
                with contextlib.suppress(OSError):  # it ended meanwhile
                    found.add(os.readlink(folder / "ns" / kind))
    return found
