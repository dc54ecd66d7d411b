"""Which unix sockets a sandbox reaches on which a process outside serves: told by the process, not by the path.

In: sockets with their processes, mounts of both sides, sockets that the sandbox sees.  Out: `Reached`.  Pure.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from provisioner.facts.ipc import Socket
from provisioner.facts.mounts import Mount
from provisioner.facts.served_sockets import ServedSocket, Server
from pytest_isolation.walls.filesystem.host_tree import is_at_or_below
from pytest_isolation.walls.filesystem.mounts import SHARED_FOLDERS
from pytest_isolation.walls.filesystem.origins import hidden

# Programs that start what they are told to, as root or as the user whose containers they run: names of processes.
ENGINES = frozenset(
    {
        *("dockerd", "docker", "containerd", "crio", "podman", "buildkitd", "cri-dockerd", "lxd", "incusd", "kubelet"),
        *("k3s", "k3s-server", "rke2", "libvirtd", "virtqemud", "virtlxcd", "nomad"),
    }
)
# What else a well-known program of the host does for whoever connects; for the reason's text.
SERVICES = {
    "dbus-daemon": "a message bus",
    "dbus-broker": "a message bus",
    "dbus-broker-lau": "a message bus",
    "ssh-agent": "an agent that signs with its user's keys",
    "gpg-agent": "an agent that signs with its user's keys",
    "gnome-keyring-d": "an agent that signs with its user's keys",
    "systemd": "the service manager",
}


@dataclass(frozen=True)
class Reached:
    """
    A socket that the sandbox reaches and that a process outside serves.

    Attributes:
        path: where the sandbox has it.
        served_socket: the socket.
    """

    path: str
    served_socket: ServedSocket

    @property
    def engine(self) -> str:
        """The name of the engine that serves it; "" if none does."""
        return next(
            (name for one in self.served_socket.processes for name in (one.exe, one.name) if name in ENGINES), ""
        )

    def __str__(self) -> str:
        return f"{self.path}{whose(self.served_socket.processes)}"


def whose(servers: Iterable[Server]) -> str:
    """Return who serves, as a part of a sentence; "" if nobody is known."""
    known = list(servers)
    for one in known:
        if service := SERVICES.get(one.name):
            return f" (process {one.pid}, {one.name}, {service})"
    return next((f" (process {one.pid}, {one.name})" for one in known), "")


def reached(
    served_sockets: Sequence[ServedSocket],
    sockets: Iterable[Socket],
    mounts: Sequence[Mount],
    host_mounts: Sequence[Mount],
) -> list[Reached]:
    """
    Return the sockets of processes outside that the sandbox reaches, each with one path.

    A socket counts if the sandbox sees a file of its device and inode, or if a mount shows the folder on the host in
    which it lies, at any depth.

    Args:
        served_sockets: sockets on which processes serve; the sandbox's own are left out.
        sockets: sockets that the sandbox sees.
        mounts, host_mounts: mount tables of the sandbox and of the host.
    """
    seen = {(*socket.device, socket.inode): socket.path for socket in sockets}
    covered = hidden(mounts)
    shown = [mount for mount in mounts if mount.id not in covered]
    found = []
    for served_socket in served_sockets:
        if served_socket.own:
            continue
        path = seen.get((*served_socket.device, served_socket.inode)) or _path_inside(served_socket, shown, host_mounts)
        if path:
            found.append(Reached(path, served_socket))
    return found


def _path_inside(served_socket: ServedSocket, shown: Sequence[Mount], host_mounts: Sequence[Mount]) -> str | None:
    """Return the path at which a mount of the sandbox shows a socket of the host; None if none does."""
    outer = mount_of(served_socket.path, host_mounts) if served_socket.in_view else None
    if outer is None:
        return None
    place = below(outer.root, relative(served_socket.path, outer.target))
    for mount in shown:
        if (mount.major, mount.minor) == (outer.major, outer.minor) and is_at_or_below(place, mount.root):
            path = below(mount.target, relative(place, mount.root))
            if mount_of(path, shown) is mount:
                return path
    return None


def mount_of(path: str, mounts: Sequence[Mount]) -> Mount | None:
    """Return the mount that a path lies on: that with the longest mount point, of several the last."""
    above = [mount for mount in mounts if is_at_or_below(path, mount.target)]
    return max(reversed(above), key=lambda mount: len(mount.target), default=None)


def in_shared_folders(sockets: Iterable[Socket], mounts: Sequence[Mount]) -> list[str]:
    """Return the sockets that lie in a folder of the host which another kernel shows."""
    lies_on = ((socket, mount_of(socket.path, mounts)) for socket in sockets)
    return [socket.path for socket, mount in lies_on if mount is not None and mount.fstype in SHARED_FOLDERS]


def relative(path: str, top: str) -> str:
    """Return the part of a path below a folder that it is or lies in; "" for the folder itself."""
    return path[len(top.rstrip("/")) :].lstrip("/")


def below(top: str, rest: str) -> str:
    """Return the path of a folder's part; of the folder itself for ""."""
    return posixpath.normpath(posixpath.join(top, rest)) if rest else top
