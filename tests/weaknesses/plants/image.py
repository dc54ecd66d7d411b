"""Plants of images: links at the runtime's mount points.  Every link leads to a folder inside the image."""

from __future__ import annotations

import stat
from collections.abc import Mapping
from typing import Any

from plant import Plant, opened

from provisioner.images.image import Image, Item

RUNC, ENGINES = ("runc", "crun"), ("docker", "podman")


def link(name: str, to: str) -> Item:
    """Return a symbolic link of the image to a folder beside it."""
    assert "/" not in to, "a link to anywhere else is followed by the runtime as the host's root"
    return Item(name, stat.S_IFLNK | 0o777, to.encode())


def file(name: str, mode: int) -> Item:
    """Return an empty file of the image, which does nothing for whoever runs it."""
    return Item(name, stat.S_IFREG | mode)


def image(*items: Item, user: str = "") -> Mapping[str, Any]:
    """Return a Spec with an image of these things."""
    return {"image": Image(items=items, user=user)}


OTHER = ("--user", "1000")
ROOT = ("--user", "0")
BASES = {(engine, "the image's user"): image(user="1000") for engine in ENGINES}

PLANTS = (
    *(
        Plant(
            f"an image that names {whom}, run as another user",
            ENGINES,
            {"img.user": f"its image names {told}"},
            spec={**image(user=user), "flags": OTHER},
            base="the image's user",
        )
        for whom, user, told in (("nobody", "", "no user"), ("root", "0:0", "'0:0', who is root"))
    ),
    *(
        Plant(
            "an image whose /dev is a link",  # LXC refuses it
            runtimes,
            {"img.devices_symlinks": "/dev is a symbolic link inside"},
            also=also,
            spec=image(link("dev", "usr")),
        )
        for runtimes, also in (
            ((*RUNC, "podman", "bwrap", "unshare"), {}),
            (("nspawn",), {"mnt.flags": "holds"}),  # what it mounts on /dev/shm lies elsewhere
        )
    ),
    Plant(
        "an image whose /dev is a link, which the engine's own layer covers",
        ("docker",),  # moby daemon/initlayer makes /dev/pts and others in a layer above
        {"img.devices_symlinks": "in its image /dev is a symlink"},
        spec=image(link("dev", "usr")),
    ),
    *(
        Plant(
            f"an image with a file of {what}",
            ("runc", "crun", "docker", "podman", "lxc", "nspawn", "bwrap", "unshare", "qemu"),
            {"img.setuid": f"/usr/{what}"},
            spec=image(file(f"usr/{what}", 0o755 | bit)),
        )
        for what, bit in (("set-user-ID", stat.S_ISUID), ("set-group-ID", stat.S_ISGID))
    ),
    # look-alikes
    Plant(
        "an image that names another user, run as root",
        ("docker",),
        {"user.nonroot": "uid 0 inside"},
        opened("cap.baseline", "cap.net_raw", "cap.mknod"),
        spec={**image(user="1000"), "flags": ROOT},
        base="the image's user",
    ),
    Plant(
        "an image that names another user, run as root",
        ("podman",),
        {"user.nonroot": "uid 0 inside"},
        {"proc.exec_parity": "holds"},  # by the image's user, podman's exec is in one group more than the first process
        spec={**image(user="1000"), "flags": ROOT},
        base="the image's user",
    ),
    Plant(
        "an image with files that give nothing more",
        ("runc", "crun", "docker", "podman", "lxc", "nspawn", "bwrap", "unshare"),
        spec=image(
            file("usr/plain", 0o755),
            file("usr/locked", 0o644 | stat.S_ISGID),  # mandatory locking: inode(7)
            Item("usr/sticky", stat.S_IFDIR | 0o1777),
            Item("usr/inheriting", stat.S_IFDIR | 0o2755),
        ),
    ),
    Plant(
        "an image with a link in /dev",
        (*RUNC, *ENGINES, "bwrap", "unshare", "nspawn", "lxc"),
        spec=image(link("dev/self", "null"), link("usr/dev", "nothing")),
    ),
)
