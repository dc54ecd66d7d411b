"""Which unix sockets of the host and which ports of engines a sandbox can reach.

In: sockets, mounts and listeners as facts.  Out: those that lead to the host.  Pure.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence

from provisioner.facts.ipc import EnginePort, Socket
from provisioner.facts.mounts import Mount
from provisioner.facts.system import Interface

# Path endings of engines' sockets: docs of docker, containerd, CRI-O, podman, BuildKit, cri-dockerd, LXD, Incus.
ENGINE_SOCKETS = (
    *("/docker.sock", "/containerd.sock", "/crio.sock", "/podman.sock", "/buildkitd.sock", "/cri-dockerd.sock"),
    *("/kubelet.sock", "lxd/unix.socket", "incus/unix.socket"),
)
ENGINE_PORTS = {2375: "docker", 2376: "docker", 2377: "swarm", 8443: "LXD or Incus", 9323: "docker's metrics"}
KUBERNETES_PORTS = {10250: "kubelet", 10255: "kubelet", 2379: "etcd"}
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
    sockets: Iterable[Socket], mounts: Sequence[Mount], host_mounts: Iterable[Mount], shares_net: bool
) -> list[str]:
    """
    Return the sockets on mounted paths that belong to the host.

    A socket that is itself a mount was bound from outside.
    A socket in a mounted folder counts if the host mounts the same file system; on its own tmpfs the sandbox made it.

    Args:
        sockets: sockets that the sandbox sees.
        mounts, host_mounts: mount tables of the sandbox and of the host.
        shares_net: whether the sandbox is in the host's network namespace.
    """
    outside = {(mount.major, mount.minor) for mount in host_mounts}
    found = []
    for socket in sockets:
        if socket.mount is None or socket.path in GUEST_APIS or is_own(socket, shares_net):
            continue
        if socket.mount == socket.path or tuple(socket.device) in outside:
            found.append(f"{socket.path}{_source(socket, mounts)}")
    return sorted(set(found))


def engine_sockets(
    sockets: Iterable[Socket], mounts: Sequence[Mount], host_sockets: Iterable[Socket], shares_net: bool
) -> list[str]:
    """
    Return the sockets of engines that the sandbox sees.

    A socket counts by its path, by the path that it was bound from, or by the device and inode of an engine's socket.

    Args:
        sockets: sockets that the sandbox sees.
        mounts: its mount table.
        host_sockets: sockets that the host sees.
        shares_net: whether the sandbox is in the host's network namespace.
    """
    known = {(tuple(one.device), one.inode) for one in host_sockets if is_engine_socket(one.path)}
    found = []
    for socket in sockets:
        if is_own(socket, shares_net):
            continue
        source = _source(socket, mounts)
        if is_engine_socket(socket.path) or is_engine_socket(source) or (tuple(socket.device), socket.inode) in known:
            found.append(f"{socket.path}{source}")
    return sorted(set(found))


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


def _source(socket: Socket, mounts: Sequence[Mount]) -> str:
    """Return the path in its file system that a socket's mount was made from; "" if the socket is on no mount."""
    line = next((mount for mount in reversed(mounts) if mount.target == socket.mount), None)
    if line is None or socket.mount is None:
        return ""
    rest = posixpath.relpath(socket.path, socket.mount)
    return f" from {posixpath.normpath(posixpath.join(line.root, rest))}"
