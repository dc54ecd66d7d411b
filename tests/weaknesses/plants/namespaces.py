"""Plants of namespaces: clocks, mounts and descriptors of namespaces outside, and foreign owners."""

from __future__ import annotations

import subprocess

from ground import Ground, run
from oci_edits import Edit, append, bind, join_namespace, put
from plant import Make, Plant, edits, flags

ENGINES = ("docker", "podman")
MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]
USERNS = (append("linux.namespaces", {"type": "user"}), put("linux.uidMappings", MAP), put("linux.gidMappings", MAP))


def holder(ground: Ground, *words: str) -> int:
    """Start a process in new namespaces, as unshare(1) makes them; it ends with the plant.  Returns its pid."""
    process = subprocess.Popen(
        ["unshare", *words, "--", "sh", "-c", "echo made; exec cat"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    ground.undo.callback(_end, process)
    assert process.stdout is not None
    assert process.stdout.readline() == b"made\n"
    return process.pid


def _end(process: subprocess.Popen[bytes]) -> None:
    process.communicate(timeout=300)  # end of input ends it


def in_uts(*words: str, more: tuple[Edit, ...] = ()) -> Make:
    """Return a Spec that joins the UTS namespace of such a process, in OCI's words."""
    return lambda ground: edits(
        join_namespace("uts", f"/proc/{holder(ground, *words)}/ns/uts"),
        put("hostname", ""),
        *more,
    )


def named_namespace(ground: Ground) -> str:
    """Mount the network namespace of such a process at a file of the test's own; unmounted with the plant."""
    path = str(ground.file("netns"))
    run("mount", "--bind", f"/proc/{holder(ground, '--net')}/ns/net", path)
    ground.undo.callback(run, "umount", path)
    return path


BASES: dict[tuple[str, str], Make] = {
    ("unshare", "time"): flags("--time"),
    ("lxc", "time"): flags("--define", "lxc.time.offset.boot=1h"),
}

PLANTS = (
    Plant("no time namespace", tuple(name for name, _ in BASES), {"ns.time": "host's time namespace"}, base="time"),
    # mounts and descriptors of namespaces
    Plant(
        "the host's network namespace bound",
        ("runc",),
        {"ns.join": "/n leads to net:["},
        spec=lambda ground: edits(bind(f"/proc/{ground.host.pid}/ns/net", "/n")),
    ),
    Plant(
        "-v /proc/PID/ns/net:/n",
        ENGINES,
        {"ns.join": "/n leads to net:["},
        spec=lambda ground: flags("-v", f"/proc/{ground.host.pid}/ns/net:/n"),
    ),
    Plant(
        "a network namespace that has a name on the host",
        ("runc",),
        {"ns.join": "/n leads to net:["},
        spec=lambda ground: edits(bind(named_namespace(ground), "/n")),
    ),
    # owners
    Plant(
        "a UTS namespace of another user namespace",
        ("runc",),
        {"ns.owner": "owns its uts namespace"},
        spec=in_uts("--user", "--map-root-user", "--uts"),
    ),
    Plant(
        "a UTS namespace of another user namespace",
        ("podman",),
        {"ns.owner": "owns its uts namespace"},
        spec=lambda ground: flags(f"--uts=ns:/proc/{holder(ground, '--user', '--map-root-user', '--uts')}/ns/uts"),
    ),
    # look-alikes
    Plant("a UTS namespace that root made", ("runc",), spec=in_uts("--uts")),
    Plant(
        "a UTS namespace that root made, in a user namespace",
        ("runc",),
        # runc's exec enters the user namespace first, and has no power over the other one then
        also=dict.fromkeys(
            (
                *("ns.exec_parity", "cap.exec_parity", "seccomp.exec_parity", "proc.exec_parity", "proc.exec_limits"),
                "fd.runtime_exe",
            ),
            "unknown",
        ),
        spec=in_uts("--uts", more=USERNS),
        base="userns",
    ),
)
