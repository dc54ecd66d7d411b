"""Synthetic weaknesses and look-alikes: the root, what is beneath it, layers, flags and read-only binds."""

from __future__ import annotations

from fact_parts import Dict, mount
from weakness import Edit, Lookalike, add, mounted, proc, put, row, weak

ROOT = ("outside", "process", "mounts", 0)


def both(*edits: Edit) -> Edit:
    """Return the edit that makes all of them."""

    def edit(document: Dict) -> None:
        for one in edits:
            one(document)

    return edit


def handle(view: str, name: str, **to: object) -> Edit:
    """Return the edit of one handle."""

    def edit(document: Dict) -> None:
        document[view]["process"]["handles"][name] |= to

    return edit


def line(target: str, **to: object) -> Edit:
    """Return the edit of a line of the outside mount table."""

    def edit(document: Dict) -> None:
        next(one for one in document["outside"]["process"]["mounts"] if one["target"] == target).update(to)

    return edit


PEER_ROOT = mount("/x", "overlay", 88)


def peer_overlay(upper: str) -> Edit:
    """Return the edit that makes the peer's root an overlay of its own."""
    root = {"fstype": "overlay", "major": 0, "minor": 88, "root": "/", "super_options": ["rw", f"upperdir={upper}"]}
    return lambda document: document["peer_outside"]["process"]["mounts"][0].update(root)


def own_overlay(upper: str) -> Edit:
    """Return the edit that makes the root an overlay."""
    root = {"fstype": "overlay", "major": 0, "minor": 87, "root": "/", "super_options": ["rw", f"upperdir={upper}"]}
    return lambda document: document["outside"]["process"]["mounts"][0].update(root)


def read_only_root(document: Dict) -> None:
    document["outside"]["process"]["mounts"][0]["options"] = ["ro"]


WEAKNESSES = (
    weak("mnt.flags", "/proc without nosuid", line("/proc", options=["rw", "nodev", "noexec"]), "/proc lacks nosuid"),
    weak("mnt.flags", "/dev/shm without noexec", line("/dev/shm", options=["rw", "nosuid", "nodev"]), "/dev/shm lacks"),
    weak("mnt.flags", "/dev with set-user-ID", line("/dev", options=["rw"]), "/dev lacks nosuid"),
    weak(
        "mnt.old_root", "runc --no-pivot", proc("outside", "beneath", {"major": 8, "minor": 1}), "the host's root lies"
    ),
    weak(
        "mnt.old_root",
        "moved over a root that was no host's",
        proc("outside", "beneath", {"major": 8, "minor": 9}),
        "another root lies beneath",
    ),
    weak("mnt.old_root", "no root folder", handle("outside", "root", inode=2), "its root is the host's own"),
    weak(
        "mnt.locked_ro",
        "bind-recursive=writable",
        both(
            mounted(mount("/data", "ext4", 66, id=1300, options=["ro"])),
            mounted(mount("/data/sub", "ext4", 67, id=1301, parent=1300)),
        ),
        "/data/sub is writable below the read-only /data",
    ),
    weak(
        "mnt.locked_ro",
        "it may mount",
        row("fsopen.no_such_fs", "ENODEV"),
        "make /probe writable again",
        "kern.mount_api",
    ),
    weak(
        "mnt.layers",
        "one plain folder for two",
        handle("peer_outside", "root", inode=71),
        "the very folder of its peer's",
        record="docker",
    ),
    weak(
        "mnt.layers",
        "one upper folder for two",
        both(own_overlay("/up/1"), peer_overlay("/up/1")),
        "its root writes to /up/1",
        record="docker",
    ),
    weak(
        "mnt.unshare_leak",
        "the engine's storage",
        both(peer_overlay("/up/2"), add("outside", "process", "mounts", item=PEER_ROOT)),
        "/x shows its peer's root",
    ),
    weak(
        "mnt.rootfs_ro",
        "a writable root",
        put(*ROOT, "options", to=["rw", "relatime"]),
        "/ is writable",
    ),
)

LOOKALIKES = (
    Lookalike(
        "one folder for two, read-only",
        "docker",
        both(handle("peer_outside", "root", inode=71), read_only_root),
        (("mnt.rootfs_ro", "holds"),),
    ),
    Lookalike(
        "one folder for two, which modes protect",
        "docker",
        both(handle("peer_outside", "root", inode=71), put("inside", "system", "root_access", to="EACCES")),
    ),
    Lookalike("overlays with one lower folder", "docker", both(own_overlay("/up/1"), peer_overlay("/up/2"))),
    Lookalike(
        "a volume of its own beside the peer's root",
        "container",
        both(peer_overlay("/up/2"), add("outside", "process", "mounts", item=mount("/x", "overlay", 89))),
    ),
    Lookalike(
        "read-only all the way down",
        "container",
        both(
            mounted(mount("/data", "ext4", 66, id=1300, options=["ro"])),
            mounted(mount("/data/sub", "ext4", 67, id=1301, parent=1300, options=["ro"])),
        ),
    ),
    Lookalike(
        "a writable mount beside a read-only one",
        "container",
        both(
            mounted(mount("/data", "ext4", 66, id=1300, options=["ro"])),
            mounted(mount("/data2", "ext4", 67, id=1301)),
        ),
    ),
    Lookalike("more flags than documented", "container", line("/dev", options=["rw", "nosuid", "noexec"])),
    Lookalike(
        "the inode of the host's root on a file system of its own",
        "container",
        handle("outside", "root", inode=2, minor=77),
    ),
)
