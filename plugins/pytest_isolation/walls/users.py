"""Ids of the host that a sandbox holds or maps, and ranges that two sandboxes share.

In: the maps of user namespaces, credentials of tasks, the host's groups.
Out: ranges, or texts that name each id of the host.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from provisioner.facts.accounts import Group
from provisioner.facts.image import PrivilegedFile
from provisioner.facts.process import Process, TaskState
from provisioner.facts.status import IdRange

# What a member opens on the host.  The host's /etc/group gives the numbers (exposed/groups.c reads these names).
PRIVILEGED_GROUPS = {
    "root": "files of the group root",
    "disk": "every disk: Debian, SystemGroups",
    "kmem": "/dev/mem: Debian, SystemGroups",
    "shadow": "/etc/shadow: shadow(5)",
    "sudo": "root, by sudo(8)",
    "wheel": "root, by sudo(8): Fedora, sudoers",
    "adm": "/var/log: Debian, SystemGroups",
    "systemd-journal": "the journal: journalctl(1)",
    "kvm": "/dev/kvm: udev's 50-udev-default.rules",
    "docker": "the engine's socket, and so root: Docker docs, 'Linux post-installation steps'",
    "podman": "the engine's socket",
    "lxd": "the engine's socket, and so root: LXD docs, 'Security'",
    "incus": "the engine's socket: Incus docs, 'Security'",
    "incus-admin": "the engine's socket, and so root: Incus docs, 'Security'",
    "libvirt": "libvirt's socket, and so root: libvirt docs, 'Connection authentication'",
}


def overlaps(own: Iterable[IdRange], other: Iterable[IdRange]) -> list[tuple[int, int]]:
    """Return the ranges of host ids that both maps hold, each as first and last id."""
    others = list(other)
    found = []
    for mine in own:
        for theirs in others:
            first = max(mine.outside, theirs.outside)
            last = min(mine.outside + mine.count, theirs.outside + theirs.count) - 1
            if first <= last:
                found.append((first, last))
    return sorted(found)


def mapped_at(ranges: Iterable[IdRange], outside: int) -> int | None:
    """Return the id inside that the map gives an id of the host; None if it maps the id nowhere."""
    for line in ranges:
        if line.outside <= outside < line.outside + line.count:
            return line.inside + outside - line.outside
    return None


def root_mapped(process: Process) -> list[str]:
    """Return where the maps of a process hold the host's uid 0 and gid 0 (user_namespaces(7))."""
    uid, gid = mapped_at(process.uid_map, 0), mapped_at(process.gid_map, 0)
    found = []
    if uid is not None:
        found.append("its root is the host's root" if uid == 0 else f"its uid {uid} is the host's root")
    if gid is not None and uid is None:
        found.append(f"its gid {gid} is the host's group 0")
    return found


def foreign_capabilities(files: Iterable[PrivilegedFile]) -> list[str]:
    """
    Return the files of an image, read on the host, with capabilities that count where the host's root is root.

    An image of a sandbox with a user namespace needs capabilities of version 3, with the root of that namespace
    (capabilities(7), "Namespaced file capabilities").
    """
    return [file.path for file in files if file.capabilities and file.capability_root in (None, 0)]


def privileged_groups(groups: Iterable[Group]) -> dict[int, str]:
    """Return the names of the host's privileged groups, by id."""
    return {group.gid: group.name for group in groups if group.name in PRIVILEGED_GROUPS}


def groups_held(process: Process, tasks: Sequence[TaskState], names: dict[int, str]) -> list[str]:
    """
    Return the host's privileged groups that any task of a sandbox is in, as primary or supplementary group.

    A task with the primary group 0 is not named for that: user.root_mapped reports it.

    Args:
        process: the subject, as the host sees it.
        tasks: the other tasks of the sandbox.
        names: the host's privileged groups, by id.
    """
    found = []
    for one, who in ((process, "it"), *((task, f"process {task.process} ({task.name})") for task in tasks)):
        primary = set(one.gid)
        held = (set(one.groups) | primary) - ({0} & primary)
        found += [f"{who} is in the host's group {names[gid]} ({gid})" for gid in sorted(held) if gid in names]
    return found


def groups_mapped(ranges: Iterable[IdRange], names: dict[int, str]) -> list[str]:
    """Return the host's privileged groups that a map holds, except the group 0, which user.root_mapped reports."""
    lines = list(ranges)
    return [
        f"its gid {at} is the host's group {name} ({gid})"
        for gid, name in sorted(names.items())
        if gid and (at := mapped_at(lines, gid)) is not None
    ]
