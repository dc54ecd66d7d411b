"""Mounts, devices, descriptors and environment of a sound sandbox: its own root on rootfs, nothing of the host open."""

from __future__ import annotations

from typing import Any

VIEWS = ("host", "inside", "outside", "vmm", "exec", "peer_inside", "peer_outside")
FLAGS = ["rw", "nosuid", "nodev", "noexec"]
OPEN = dict.fromkeys(("docker", "podman"), frozenset({"mnt.rootfs_ro"}))
NODES: dict[str, Any] = {"entries": 900, "unread": 0, "complete": True, "devices": []}
NOT_ASKED = {"unobserved": "", "why": "not asked for"}
NOBODY = {"unobserved": "EPERM", "why": "statmount of the root"}


def complete(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Add handles and descriptors, and the mounts with their flags."""
    for view in VIEWS:
        facts = document[view]
        if not facts or "unobserved" in facts:
            continue
        own = view not in ("host", "vmm") and name != "vm"
        process = facts["process"]
        _number(process)
        if own:
            _own_mounts(process)
            if name == "container":
                process["mounts"][0]["options"] = ["ro"]
        _holdings(process, facts["view"], view)
        if facts["system"]:
            facts["system"]["nodes"] = NOT_ASKED if view == "host" else dict(NODES)
            _system(facts["system"], own)
    return document


def _number(process: dict[str, Any]) -> None:
    for index, mount in enumerate(process["mounts"]):
        mount["id"], mount["parent"] = 1000 + index, 1000 if index else 1


def _own_mounts(process: dict[str, Any]) -> None:
    for mount in process["mounts"]:
        if mount["target"] in ("/proc", "/sys", "/dev/mqueue"):
            mount["options"] = [*FLAGS[1:], *mount["options"]]
        if mount["target"] == "/dev":
            mount["options"] = ["rw", "nosuid"]
    more = {"parent": 1002, "root": "/", "tags": [], "options": FLAGS, "super_options": ["rw", "size=65536k"]}
    for index, (target, fstype, minor) in enumerate((("/dev/shm", "tmpfs", 131), ("/dev/pts", "devpts", 132))):
        place = {"id": 1100 + index, "major": 0, "minor": minor, "target": target, "fstype": fstype, "source": fstype}
        process["mounts"].append(more | place)


def _holdings(process: dict[str, Any], kind: str, view: str) -> None:
    inode = {"host": 2, "vmm": 2, "peer_inside": 72, "peer_outside": 72}.get(view, 71)
    file = {"major": 8, "minor": 1, "inode": inode, "mount": 1000, "rdev": None}
    handles = {"cwd": file | {"type": "dir"}, "root": file | {"type": "dir"}, "exe": file | {"type": "file"}}
    pipe = file | {"type": "fifo", "minor": 15, "major": 0, "mount": 16}
    process["handles"] = handles | dict.fromkeys("012", pipe)
    process["values"] = []
    process["environment"] = ["PATH", "HOME", "EDITOR", "LS_COLORS"] if view in ("host", "vmm") else ["PATH", "HOME"]
    process["terminal"] = {"session": process["pid"], "tty": 0}
    process["beneath"] = NOBODY if kind == "inside" and view != "host" else {"major": 0, "minor": 2}
    rules = {"version": 1, "rules": ["c *:* m", "b *:* m", "c 1:3 rwm"], "programs": []}
    process["device_rules"] = rules if view == "outside" else {"unobserved": "ENOENT", "why": "find the cgroup"}


def _system(system: dict[str, Any], own: bool) -> None:
    system["device_node"] = "EPERM" if own else "ENXIO"
    system["root_access"] = "ok"
    system["legacy_tiocsti"] = 1
