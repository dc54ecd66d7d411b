"""Which unix sockets of the host and which ports of engines a sandbox can reach.

In: sockets, mounts and listeners as facts.  Out: those that lead to the host.  Pure.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from provisioner.facts.ipc import EnginePort, Socket
from provisioner.facts.mounts import Mount
from provisioner.facts.served_sockets import ServedSocket
from provisioner.facts.system import Interface
from pytest_isolation.walls.filesystem.origins import origins
from pytest_isolation.walls.served_sockets import Reached, below, mount_of, relative, whose

# Path endings of engines' sockets: docs of docker, containerd, CRI-O, podman, BuildKit, cri-dockerd, LXD, Incus.
ENGINE_SOCKETS = (
    *("/docker.sock", "/containerd.sock", "/crio.sock", "/podman.sock", "/buildkitd.sock", "/cri-dockerd.sock"),
    *("/kubelet.sock", "lxd/unix.socket", "incus/unix.socket"),
)
ENGINE_PORTS = {2375: "docker", 2376: "docker", 2377: "swarm", 8443: "LXD or Incus", 9323: "docker's metrics"}
KUBERNETES_PORTS = {10250: "kubelet", 10255: "kubelet", 2379: "etcd"}
# Folders in which engines keep their sockets, state, images and volumes.
ENGINE_FOLDERS = frozenset(
    {
        *("/run/docker", "/var/lib/docker", "/run/containerd", "/var/lib/containerd", "/run/crio", "/run/podman"),
        *("/run/buildkit", "/var/lib/buildkit", "/var/lib/containers/storage", "/run/containers/storage"),
        *("/run/libpod", "/run/runc", "/run/crun", "/run/lxc", "/var/lib/lxc", "/var/lib/lxd", "/run/lxd"),
        *("/var/lib/incus", "/run/incus", "/var/lib/machines", "/var/lib/kubelet", "/run/libvirt", "/var/lib/libvirt"),
    }
)
GUEST_APIS = ("/dev/lxd/sock", "/dev/incus/sock")
TOKENS = (
    "/run/secrets/kubernetes.io/serviceaccount/token",
    "/var/run/secrets/kubernetes.io/serviceaccount/token",
)


def is_engine_socket(path: str) -> bool:
    """Whether a path is that of an engine's own socket, in any folder."""
    return path not in GUEST_APIS and path.endswith(ENGINE_SOCKETS)


def is_own(socket: Socket, shares_net: bool) -> bool:
    """Whether a process of the sandbox has bound the socket: the table of its own network namespace holds the path."""
    return socket.bound and not shares_net


def host_sockets(
    sockets: Iterable[Socket],
    mounts: Sequence[Mount],
    host_mounts: Iterable[Mount],
    shares_net: bool,
    served_sockets: Sequence[ServedSocket],
    reached: Iterable[Reached],
) -> list[str]:
    """
    Return the sockets that belong to the host.

    A socket on which a process outside serves counts on any path, one that a process of the sandbox serves on none.
    If nobody is known to serve it, a socket that is itself a mount counts: it was bound from outside.
    A socket in a mounted folder counts then if the host mounts the same file system; on its own tmpfs the sandbox made
    it.

    Args:
        sockets: sockets that the sandbox sees.
        mounts, host_mounts: mount tables of the sandbox and of the host.
        shares_net: whether the sandbox is in the host's network namespace.
        served_sockets: sockets on which processes serve.
        reached: those of them that the sandbox reaches and that a process outside serves.
    """
    outside = {(mount.major, mount.minor) for mount in host_mounts}
    served = {(*served_socket.device, served_socket.inode) for served_socket in served_sockets if served_socket.own}
    found = {one.path: whose(one.served_socket.processes) for one in reached if one.path not in GUEST_APIS}
    for socket in sockets:
        if socket.mount is None or socket.path in GUEST_APIS or is_own(socket, shares_net):
            continue
        if (*socket.device, socket.inode) in served:
            continue
        if socket.mount == socket.path or tuple(socket.device) in outside:
            found.setdefault(socket.path, "")
    return [f"{path}{_source(path, mounts)}{who}" for path, who in sorted(found.items())]


def engine_sockets(
    sockets: Iterable[Socket],
    mounts: Sequence[Mount],
    host_sockets: Iterable[Socket],
    shares_net: bool,
    reached: Iterable[Reached],
) -> list[str]:
    """
    Return the sockets of engines that the sandbox sees.

    A socket counts if an engine serves it, whatever its path.
    It also counts by its path, by the path that it was bound from, or by the device and inode of an engine's socket.

    Args:
        sockets: sockets that the sandbox sees.
        mounts: its mount table.
        host_sockets: sockets that the host sees.
        shares_net: whether the sandbox is in the host's network namespace.
        reached: the sockets that the sandbox reaches and that a process outside serves.
    """
    found = {one.path: whose(one.served_socket.processes) for one in reached if one.engine}
    known = {(tuple(one.device), one.inode) for one in host_sockets if is_engine_socket(one.path)}
    for socket in sockets:
        if is_own(socket, shares_net):
            continue
        source = _source(socket.path, mounts)
        if is_engine_socket(socket.path) or is_engine_socket(source) or (tuple(socket.device), socket.inode) in known:
            found.setdefault(socket.path, "")
    return [f"{path}{_source(path, mounts)}{who}" for path, who in sorted(found.items())]


def engine_folders(mounts: Sequence[Mount], host_mounts: Sequence[Mount]) -> list[str]:
    """
    Return the mounts that are a folder of an engine, or a folder directly in one: sockets, state, every image.

    Deeper folders are of one sandbox: a volume, a file that the engine made for it.
    """
    return [
        f"{origin.mount.target} is the host's {origin.path}"
        for origin in origins(mounts, host_mounts)
        if origin.mount.target != "/"
        and not origin.layer
        and (origin.path in ENGINE_FOLDERS or posixpath.dirname(origin.path) in ENGINE_FOLDERS)
    ]


def open_to_all(sockets: Iterable[Socket]) -> list[str]:
    """Return the sockets that every user may connect to: connect(2) needs write permission (unix(7))."""
    return [f"{one.path} is {one.mode:04o} of {one.uid}:{one.gid}" for one in sockets if one.mode & 0o002]


def reachable_ports(
    ports: dict[int, str],
    inside: Iterable[EnginePort],
    host: Iterable[EnginePort],
    net: int | None,
    shares_net: bool,
    interfaces: Iterable[Interface],
) -> list[str]:
    """
    Return the listening ports that a sandbox can reach; sends no packet.

    Args:
        ports: port numbers, and what listens there.
        inside, host: listeners that the sandbox and the host see.
        net: inode of the sandbox's network namespace; None if it has its own kernel.
        shares_net: whether that namespace is the host's: then listeners inside are not its own.
        interfaces: those of the sandbox; with `lo` alone it reaches no other namespace.
    """
    leads_out = any(interface.name != "lo" for interface in interfaces)
    seen = [one for one in host if one.net == net or (leads_out and not one.loopback)]
    seen += inside if shares_net else []
    return sorted({f"port {one.port} ({ports[one.port]})" for one in seen if one.port in ports})


def lxcfs_mounts(mounts: Iterable[Mount]) -> list[str]:
    """Return the mounts of LXCFS that show more than files of /proc and /sys: its root, or its view of cgroups."""
    return [
        f"{mount.target} is LXCFS's {mount.root}"
        for mount in mounts
        if mount.fstype == "fuse.lxcfs" and not {mount.root[:5], mount.target[:5]} & {"/proc", "/sys/"}
    ]


def _source(path: str, mounts: Sequence[Mount]) -> str:
    """Return the path in its file system of what a mount shows; "" if the path is on no mount but the root."""
    line = mount_of(path, [mount for mount in mounts if mount.target != "/"])
    return f" from {below(line.root, relative(path, line.target))}" if line is not None else ""
