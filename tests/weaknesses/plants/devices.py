"""Plants of device nodes outside /dev: made by the runtime, bound as a file, a whole devtmpfs at another place."""

from __future__ import annotations

from oci_edits import Edit, append, bind
from plant import Plant, edits, flags

RUNC, ENGINES = ("runc", "crun"), ("docker", "podman")
ALLOW = {"allow": True, "access": "rwm"}
ANY_DISK = {"type": "b", "major": 7, "access": "r", "allow": True}  # loop devices


def node(path: str, kind: str, major: int, minor: int) -> Edit:
    """Return the edit that lets the runtime make a node."""
    return append("linux.devices", {"path": path, "type": kind, "major": major, "minor": minor, "fileMode": 438})


def tmpfs(target: str) -> Edit:
    """Return the edit that mounts a tmpfs: a node in the root itself would stay there."""
    options = ["size=64k", "mode=755"]
    return append("mounts", {"destination": target, "type": "tmpfs", "source": "tmpfs", "options": options})


def rule(kind: str, major: int, minor: int) -> Edit:
    """Return the edit that lets a device be opened."""
    return append("linux.resources.devices", {"type": kind, "major": major, "minor": minor, **ALLOW})


PLANTS = (
    Plant(
        "a disk's node at a deep place",
        RUNC,
        {"dev.nodes": "it also has /srv/a/b/c/d/e/disk"},
        spec=edits(tmpfs("/srv/a/b/c"), node("/srv/a/b/c/d/e/disk", "b", 7, 77)),
    ),
    Plant(
        "FUSE under another name outside /dev",
        RUNC,
        {"dev.nodes": "it also has /opt/t/f", "dev.fuse_tun": "/opt/t/f opens"},
        spec=edits(tmpfs("/opt/t"), node("/opt/t/f", "c", 10, 229), rule("c", 10, 229)),
        needs="/dev/fuse",
    ),
    Plant(
        "the host's console bound as a file",
        RUNC,
        {"dev.nodes": "it also has /etc/term"},
        spec=edits(bind("/dev/console", "/etc/term")),
        needs="/dev/console",
    ),
    Plant(
        "a loop device bound as a file",
        RUNC,
        {"dev.nodes": "it also has /srv/disk", "dev.block": "/srv/disk opens for reading"},
        spec=lambda ground: edits(bind(ground.loop_device(), "/srv/disk"), append("linux.resources.devices", ANY_DISK)),
        needs="/dev/loop-control",
    ),
    Plant(
        "the host's /dev at another place",
        RUNC,
        {"dev.nodes": "it also has /opt/d/", "mnt.host_paths": "/opt/d is the host's /dev"},
        apart=("dev.fuse_tun",),  # runc allows 10:200, and the bounded look finds it where /dev has few nodes
        spec=edits(bind("/dev", "/opt/d", "ro")),
    ),
    Plant(
        "--device LOOP:/opt/disk",
        ENGINES,
        {"dev.nodes": "it also has /opt/disk", "dev.block": "/opt/disk opens for reading"},
        spec=lambda ground: flags("--device", f"{ground.loop_device()}:/opt/disk:r"),
        needs="/dev/loop-control",
    ),
    Plant(
        "-v /dev/fuse:/opt/innocent",
        ENGINES,
        {"dev.nodes": "it also has /opt/innocent"},
        spec=flags("-v", "/dev/fuse:/opt/innocent"),
        needs="/dev/fuse",
    ),
    # look-alikes
    Plant("a null device outside /dev", RUNC, spec=edits(tmpfs("/opt/t"), node("/opt/t/null", "c", 1, 3))),
    Plant("-v /dev/zero:/opt/zero", ENGINES, spec=flags("-v", "/dev/zero:/opt/zero")),
)
