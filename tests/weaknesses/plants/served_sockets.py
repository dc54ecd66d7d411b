"""Plants of unix sockets of the host's processes, under any name and at any depth; each process is the test's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ground import Ground
from oci_edits import bind
from plant import Make, Plant, edits, flags
from serving import serve

RUNC, ENGINES = ("runc", "crun"), ("docker", "podman")
DEEP = "a/b/c/d/e/f/g/h/i/j/k/l"


def folder_with(below: str, name: str, target: str, options: tuple[str, ...] = (), **how: Any) -> tuple[Make, Make]:
    """
    Return the Specs for runc and for engines that bind a folder in which a process serves a socket.

    Args:
        below: the socket's path below the folder.
        name: the process's name.
        target: where the folder is mounted.
        options: of the mount.
        how: of `serve`.
    """

    def made(ground: Ground) -> str:
        folder = ground.directory("served")
        ground.undo.callback(serve(folder / below, name, **how))
        return str(folder)

    def oci(ground: Ground) -> Mapping[str, Any]:
        return edits(bind(made(ground), target, *options))

    def engine(ground: Ground) -> Mapping[str, Any]:
        return flags("-v", ":".join((made(ground), target, *options)))

    return oci, engine


def both(name: str, opens: Mapping[str, str], specs: tuple[Make, Make]) -> tuple[Plant, Plant]:
    """Return one plant for the OCI runtimes and for the engines."""
    return Plant(name, RUNC, opens, spec=specs[0]), Plant(name, ENGINES, opens, spec=specs[1])


def engine_under(path: str, engine: str) -> Mapping[str, str]:
    """Return what opens where an engine's process serves."""
    return {"mgmt.runtime_sock": f"{path} from ", "ipc.host_sockets": f", {engine})"}


def file_beside(ground: Ground) -> str:
    """Make a folder in which a process serves a socket, and another beside it; return the other."""
    served = ground.directory("served")
    ground.undo.callback(serve(served / "x.sock", "dockerd"))
    return str(ground.directory("beside", "docker.sock"))


PLANTS = (
    *both("a socket in a mounted folder", {"ipc.host_sockets": "/srv/s from "}, folder_with("s", "anything", "/srv")),
    *both(
        "an agent's socket five folders deep",
        {"ipc.host_sockets": "ssh-agent, an agent that signs"},
        folder_with("a/b/c/d/e/.x", "ssh-agent", "/srv"),
    ),
    *both(
        "a bus's socket deeper than anybody walks",
        {"ipc.host_sockets": f"/srv/{DEEP}/s from "},
        folder_with(f"{DEEP}/s", "dbus-daemon", "/srv", ("ro",)),
    ),
    *both(
        "an engine's socket of an innocent name",
        engine_under("/opt/data/state.db", "dockerd"),
        folder_with("data/state.db", "dockerd", "/opt"),
    ),
    Plant(
        "an engine's socket that its process named by a relative path",
        RUNC,
        engine_under("/opt/x/1", "containerd"),
        spec=folder_with("x/1", "containerd", "/opt", kind="relative")[0],
    ),
    Plant(
        "an engine's socket in a network namespace of its own",
        RUNC,
        engine_under("/opt/x/1", "podman"),
        spec=folder_with("x/1", "podman", "/opt", words=("unshare", "--net"))[0],
    ),
    Plant(
        "an engine's socket in a mount namespace of its own",
        RUNC,
        engine_under("/opt/x/1", "libvirtd"),
        spec=folder_with("x/1", "libvirtd", "/opt", words=("unshare", "--mount"))[0],
    ),
    Plant(
        "a log's datagram socket",
        RUNC,
        {"ipc.host_sockets": "/srv/log/x from "},
        spec=folder_with("log/x", "rsyslogd", "/srv", kind="datagram")[0],
    ),
    Plant(
        "a socket that was renamed after it was bound",
        RUNC,
        {"ipc.host_sockets": "/srv/a/new from "},
        spec=folder_with("a/old", "gpg-agent", "/srv", moved="new")[0],
    ),
    Plant(
        "a folder of an engine",
        RUNC,
        {"mgmt.runtime_sock": "/state is the host's /var/lib/lxc", "mnt.host_paths": "/state is"},
        spec=edits(bind("/var/lib/lxc", "/state", "ro")),
        needs="/var/lib/lxc",
    ),
    # look-alikes
    Plant("a folder beside an engine's socket", RUNC, spec=lambda ground: edits(bind(file_beside(ground), "/srv"))),
    Plant(
        "a folder beside an engine's socket", ENGINES, spec=lambda ground: flags("-v", f"{file_beside(ground)}:/srv")
    ),
)
