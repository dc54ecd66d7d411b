"""Synthetic weaknesses and look-alikes: sockets on which processes of the host serve."""

from __future__ import annotations

from fact_parts import mount
from sound.ipc import DOCKER
from weakness import Edit, Lookalike, add, mounted, put, weak

from synthetic.ipc import both

VOLUME = mounted(mount("/srv", "ext4", 1, root="/data/x", major=8))


def served(path: str, name: str, own: bool = False, device: tuple[int, int] = (8, 1)) -> Edit:
    """Return the edit that adds a socket on which a process serves."""
    process = {"pid": 99, "name": name, "exe": name}
    served_socket = {
        "path": path,
        "in_view": True,
        "device": list(device),
        "inode": 55,
        "own": own,
        "processes": [process],
    }
    return add("served_sockets", item=served_socket)


def shown(path: str) -> Edit:
    """Return the edit by which the inside sees the file of that socket in the volume."""
    item = DOCKER | {"path": path, "mount": "/srv", "device": [8, 1], "inode": 55, "bound": False}
    return add("inside", "system", "sockets", item=item)


WEAKNESSES = (
    weak(
        "ipc.host_sockets",
        "deeper than the walk",
        both(VOLUME, served("/data/x/a/b/s", "gpg-agent")),
        "/srv/a/b/s from /data/x/a/b/s (process 99, gpg-agent, an agent",
    ),
    weak(
        "mgmt.runtime_sock",
        "an engine's under another name",
        both(VOLUME, served("/data/x/s", "crio"), shown("/srv/s")),
        "/srv/s from /data/x/s (process 99, crio) is an engine's socket",
        "ipc.host_sockets",
    ),
    weak(
        "mgmt.runtime_sock",
        "a folder of an engine",
        mounted(mount("/srv", "tmpfs", 22, root="/containerd")),
        "/srv is the host's /run/containerd, a folder of an engine",
        "mnt.host_paths",
    ),
    weak(
        "ipc.host_sockets",
        "nobody looked who serves",
        put("served_sockets", to={"unobserved": "EACCES", "why": "list /proc"}),
        "list /proc",
        "mgmt.runtime_sock",
        verdict="unknown",
    ),
)
LOOKALIKES = (
    Lookalike("a volume beside a socket", "container", both(VOLUME, served("/data/y/s", "dockerd"))),
    Lookalike(
        "a socket of its own in a volume",
        "container",
        both(VOLUME, both(served("/data/x/s", "postgres", own=True), shown("/srv/s"))),
    ),
    Lookalike("an engine's socket that nothing shows", "docker", served("/run/docker.sock", "dockerd", device=(0, 22))),
)
