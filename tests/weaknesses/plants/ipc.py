"""Plants of IPC objects, keyrings, sockets and the management plane, for runc, crun and the engines."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ground import Ground
from oci_edits import Edit, append, bind, drop_namespace, grant, put, revoke
from plant import Make, Plant, edits, flags, opened
from profiles import docker_profile

RUNC = ("runc", "crun")
ENGINES = ("docker", "podman")
PODMAN = ("podman",)
CONTAINERS_CONF = (Path("/etc/containers/containers.conf"), Path("/usr/share/containers/containers.conf"))
TOKEN = "/run/secrets/kubernetes.io/serviceaccount/token"
# the rootfs folder serves every sandbox: what is bound below this leaves no file there
_OPTIONS = ["nosuid", "nodev", "mode=755", "size=1m"]
OWN_RUN = append("mounts", {"destination": "/run", "type": "tmpfs", "source": "tmpfs", "options": _OPTIONS})
SETTINGS = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n["/1.0/config/user.token"]'
NO_SETTINGS = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n[]"


def socket_at(target: str, name: str, answer: bytes = b"", below: str = "") -> tuple[Make, Make]:
    """Return the Specs for runc and for engines that bind a canary socket `name` at `target`."""

    def path(ground: Ground) -> str:
        folder = ground.host.directory if below == "run" else None
        return str(ground.unix_socket(name, answer, folder))

    def oci(ground: Ground) -> Mapping[str, Any]:
        return edits(bind(path(ground), target))

    def engine(ground: Ground) -> Mapping[str, Any]:
        return flags("-v", f"{path(ground)}:{target}")

    return oci, engine


def listening(port: int, *made: Edit) -> Make:
    """Return the Spec of a sandbox beside which a port of the host's loopback listens."""

    def spec(ground: Ground) -> Mapping[str, Any]:
        ground.listen(port)
        return edits(*made) if made else {"network": "host"}

    return spec


def keyring_off(ground: Ground) -> Mapping[str, Any]:
    """Return the overlay in which podman makes no session keyring."""
    found = next((path for path in CONTAINERS_CONF if path.exists()), None)  # the variable replaces both
    text = found.read_text() if found else "[containers]\n"
    conf = ground.file("containers.conf", text.replace("[containers]\n", "[containers]\nkeyring = false\n", 1))
    return {"environment": {**ground.runtime.environment, "CONTAINERS_CONF": str(conf)}}


def both(name: str, opens: Mapping[str, str], specs: tuple[Make, Make], **more: Any) -> tuple[Plant, Plant]:
    """Return one plant for the OCI runtimes and for the engines, each in its words."""
    return Plant(name, RUNC, opens, spec=specs[0], **more), Plant(name, ENGINES, opens, spec=specs[1], **more)


LESS = ("--cap-drop=NET_RAW", "--cap-drop=SETPCAP")
_OCI: dict[str, Make] = {
    # who has a capability less than its peer may not look into it (ptrace(2))
    "host's pids": edits(drop_namespace("pid"), revoke("AUDIT_WRITE")),
    "host's network": edits(drop_namespace("network")),
}
BASES: dict[tuple[str, str], Make] = {
    **{(runtime, name): make for runtime in RUNC for name, make in _OCI.items()},
    **{(engine, "less"): flags(*LESS) for engine in ENGINES},
}
ONLY_SYNTHETIC = {
    "mgmt.lxcfs": "LXCFS is a daemon of the host's, and is not installed here",
}

_DOCKER_SOCK = {"mgmt.runtime_sock": "/docker.sock is an engine's socket", "ipc.host_sockets": "/docker.sock"}
_PTRACE = {
    "ns.pid": "host's pid namespace",
    "ns.pid.procfs": "host's pid namespace",
    "sig.outside": "signal the host's process",
    "sig.peer": "signal its peer's process",
    "ptrace.outside": "/environ of the host's process",
    "cap.bounding": "SYS_PTRACE",
    "cap.baseline": "SYS_PTRACE",
    "cap.sys_ptrace": "SYS_PTRACE",
}
_API: Callable[[bytes], tuple[Make, Make]] = lambda answer: socket_at("/dev/incus/sock", "api", answer)  # noqa: E731

PLANTS = (
    # processes
    Plant(
        "SYS_PTRACE with the host's pids",
        RUNC,
        _PTRACE,
        spec=edits(drop_namespace("pid"), grant("bounding", "permitted", "effective", names=["SYS_PTRACE"])),
        also={"kern.userfaultfd": "open"},
    ),
    Plant(
        "--pid=host --cap-add=SYS_PTRACE",
        ENGINES,
        _PTRACE,
        opened("seccomp.dangerous"),  # both profiles let kcmp through with this capability
        spec=flags("--pid=host", *LESS, "--cap-add", "SYS_PTRACE"),
        base="less",
    ),
    # keyrings
    Plant("--no-new-keyring", RUNC, {"key.session": "is the host's"}, spec=flags("--no-new-keyring")),
    Plant("keyring = false", PODMAN, {"key.session": "is the host's"}, overlay=keyring_off),
    Plant(
        "keys counted against the host's root",
        RUNC,
        {"key.quota": "the host's uid 0"},
        opened("seccomp.dangerous"),
        spec=edits(put("linux.seccomp", docker_profile("add_key"))),
        base="profile",
    ),
    Plant(
        "keys counted against the host's root",
        ENGINES,
        {"key.quota": "the host's uid 0"},
        opened("seccomp.dangerous"),
        spec=lambda ground: flags("--security-opt", f"seccomp={ground.profile('add_key', 1)}"),
        base="profile",
    ),
    # sockets
    *both("a socket of the host's", {"ipc.host_sockets": "/agent"}, socket_at("/agent", "agent")),
    *both("an engine's socket", _DOCKER_SOCK, socket_at("/docker.sock", "docker.sock")),
    *both(
        "an engine's socket by another name, from /run (E.1 row 17)",
        {
            "mgmt.runtime_sock": "/x.sock from",
            "ipc.host_sockets": "/x.sock from",
            "mnt.host_paths": "/x.sock is the host's /run/",
        },
        socket_at("/x.sock", "docker.sock", below="run"),
    ),
    # ports
    Plant(
        "an engine's port on the host's network",
        RUNC,
        {"mgmt.runtime_tcp": "port 2375 (docker)"},
        spec=listening(2375, drop_namespace("network")),
        listens=True,
        base="host's network",
    ),
    Plant(
        "a kubelet's port on the host's network",
        RUNC,
        {"mgmt.kubelet": "port 10255 (kubelet)"},
        spec=listening(10255, drop_namespace("network")),
        listens=True,
        base="host's network",
    ),
    Plant(
        "an engine's port on the host's network",
        PODMAN,
        {"mgmt.runtime_tcp": "port 2376 (docker)"},
        spec=listening(2376),
        listens=True,
        base="host's network",
    ),
    Plant("an engine's port on the host's loopback", RUNC, spec=listening(2377, put("hostname", "box")), listens=True),
    # tokens and APIs
    Plant(
        "a service account's token",
        RUNC,
        {"mgmt.kubelet": "token is at"},
        spec=lambda ground: edits(OWN_RUN, bind(ground.file("token"), TOKEN, "ro")),
    ),
    Plant(
        "a service account's token",
        ENGINES,
        {"mgmt.kubelet": "token is at"},
        spec=lambda ground: flags("-v", f"{ground.file('token')}:{TOKEN}:ro"),
    ),
    *both("a guest API with settings", {"mgmt.devincus": "1 settings below user."}, _API(SETTINGS)),
    # look-alikes
    *both("a guest API without settings", {}, _API(NO_SETTINGS)),
    Plant(
        "a file named as an engine's socket",
        RUNC,
        spec=lambda ground: edits(bind(ground.file("docker.sock"), "/docker.sock", "ro")),
    ),
    Plant(
        "a file named as an engine's socket",
        ENGINES,
        spec=lambda ground: flags("-v", f"{ground.file('docker.sock')}:/docker.sock:ro"),
    ),
)
