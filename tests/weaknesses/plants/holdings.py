"""Plants of mounts, devices, descriptors and environment, for runc and the engines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from argument_lists import with_descriptor, without
from ground import Ground, run
from oci_edits import append, bind, mount_option, put
from plant import Make, Plant, edits, flags, from_version, opened

from pytest_isolation.walls.environment import DOCUMENTED, proxies, secrets

Edit = Callable[[dict[str, Any]], None]
RUNC, ENGINES, UNSHARE = ("runc", "crun"), ("docker", "podman"), ("unshare",)
PROC_FLAGS = ("nosuid", "nodev", "noexec")
EVERYTHING = {"allow": True, "access": "rwm"}

# A child with a controlling terminal and the caller's descriptors; the parent keeps the terminal's other end.
IN_A_TERMINAL = """
import fcntl, os, sys, termios
master, slave = os.openpty()
pid = os.fork()
if pid == 0:
    os.close(master)
    os.setsid()
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    os.close(slave)
    os.execvp(sys.argv[1], sys.argv[1:])
os.close(slave)
os.waitpid(pid, 0)
"""


def without_mount(target: str) -> Edit:
    """Return the edit that drops the mount at `target`."""

    def edit(config: dict[str, Any]) -> None:
        config["mounts"] = [mount for mount in config["mounts"] if mount["destination"] != target]

    return edit


def proc_flags(config: dict[str, Any]) -> None:
    """Mount /proc with the flags that `runc spec` leaves out."""
    next(one for one in config["mounts"] if one["destination"] == "/proc")["options"] = list(PROC_FLAGS)


def node(path: str, major: int, minor: int) -> tuple[Edit, Edit]:
    """Return the edits that add a character device and the right to open it."""
    device = {"path": path, "type": "c", "major": major, "minor": minor, "fileMode": 438}
    rule = {"allow": True, "type": "c", "major": major, "minor": minor, "access": "rw"}
    return append("linux.devices", device), append("linux.resources.devices", rule)


def with_submount(ground: Ground) -> Path:
    """Make a folder with a mount of the test's own on a folder in it; unmounted with the plant."""
    top = ground.directory("top")
    below = top / "below"
    below.mkdir()
    run("mount", "--bind", str(below), str(below))
    ground.undo.callback(run, "umount", str(below))
    return top


def peer_root(ground: Ground) -> str:
    """Return where the host has the peer's root mounted."""
    facts = ground.peer.outside()
    assert facts is not None
    root = next(one for one in facts.process.mounts if one.target == "/")
    hosts = ground.host.outside_pid(ground.host.pid, ground.host.nonce).process.mounts
    return next(one.target for one in hosts if (one.major, one.minor) == (root.major, root.minor))


def passed_on(ground: Ground) -> str:
    """Return a name of the host's environment that nobody documents."""
    names = ground.host.facts.process.environment
    strange = [name for name in names if name.isidentifier() and name not in DOCUMENTED]
    return next(name for name in strange if not proxies([name]) and not secrets([name]))


def in_a_terminal(*more: str) -> Callable[[Ground], Mapping[str, Any]]:
    """Return the overlay that starts unshare's create in a terminal; `more` stands before the second launcher."""

    def overlay(ground: Ground) -> Mapping[str, Any]:
        create = list(ground.runtime.create)
        at = len(create) - 1 - create[::-1].index("{{ probe }}")
        return {"create": [sys.executable, "-c", IN_A_TERMINAL, *create[:at], *more, *create[at:]]}

    return overlay


def given(name: str) -> Callable[[Ground], Mapping[str, Any]]:
    """Return the overlay that opens a file of the test's own as descriptor 3."""
    return lambda ground: {"create": with_descriptor(ground.runtime.create, ground.file(name))}


def from_the_hosts_file(ground: Ground) -> Mapping[str, Any]:
    """Return the overlay that opens the probe's file on the host as descriptor 3, which `started` is started from."""
    return {"create": with_descriptor(ground.runtime.create, ground.host.probe_path)}


def started(config: dict[str, Any]) -> None:
    """Start the first process from descriptor 3."""
    config["process"]["args"][0] = "/proc/self/fd/3"


def _bound(engine: str) -> Plant:
    return Plant(
        "-v DIR:/d:ro with a mount below",
        (engine,),
        {"mnt.locked_ro": "/d/below is writable below the read-only /d"},
        spec=lambda ground: flags("-v", f"{with_submount(ground)}:/d:ro"),
    )


BASES: dict[tuple[str, str], Make] = {
    **{(engine, "read-only"): flags("--read-only") for engine in ENGINES},
    **{(engine, "may make nodes"): flags("--cap-add", "MKNOD") for engine in ENGINES},
    **{(runtime, "flags"): edits(proc_flags) for runtime in RUNC},
}
PLANTS = (
    # the root
    Plant("--no-pivot", ("runc",), {"mnt.old_root": "the host's root lies beneath"}, spec=flags("--no-pivot")),
    Plant(
        "a writable root that two share",
        RUNC,
        {"mnt.rootfs_ro": "/ is writable", "mnt.layers": "the very folder of its peer's"},
        spec=edits(put("root.readonly", False)),
    ),
    Plant(
        "a writable root", ENGINES, {"mnt.rootfs_ro": "/ is writable"}, base="read-only", also={"nnp.setuid": "open"}
    ),
    Plant(  # what a runtime that runs its own file inside comes to; crun is started by `probe launch`, which closes it
        "started from the host's file",
        ("runc",),
        {"fd.runtime_exe": "it runs from a file outside its root", "fd.inherited": "descriptors 3 ("},
        opened("fd.outside_file"),
        spec={**flags("--preserve-fds", "1"), **edits(started)},
        overlay=from_the_hosts_file,
    ),
    Plant("/proc as `runc spec` mounts it", RUNC, {"mnt.flags": "/proc lacks nosuid"}, base="flags"),
    Plant(
        "/sys with set-user-ID",
        RUNC,
        {"mnt.flags": "/sys lacks nosuid"},
        spec=edits(proc_flags, mount_option("/sys", remove="nosuid")),
        base="flags",
    ),
    Plant(
        "--tmpfs /dev/shm:exec",
        ENGINES,
        {"mnt.flags": "/dev/shm lacks noexec"},
        spec=flags("--tmpfs", "/dev/shm:exec,size=1m"),
    ),
    # binds
    Plant(
        "a read-only bind with a mount below",
        RUNC,
        {"mnt.locked_ro": "/d/below is writable below the read-only /d"},
        spec=lambda ground: edits(bind(with_submount(ground), "/d", "rbind", "ro")),
    ),
    Plant(
        "a recursively read-only bind",
        ("runc",),
        spec=lambda ground: edits(bind(with_submount(ground), "/d", "rbind", "ro", "rro")),
    ),
    *from_version(
        "25",  # from which a read-only bind is recursively so, on Linux 5.12 and runc 1.1: moby pull request 45278
        _bound("docker"),
        opens={},
    ),
    _bound("podman"),
    Plant(
        "a prepared tree in the place of the host's root",
        ENGINES,
        spec=lambda ground: flags("-v", f"{ground.directory('root', 'passwd')}:/host:rw"),
    ),
    Plant(
        "the peer's root bound",
        ENGINES,
        {"mnt.unshare_leak": "/x shows its peer's root", "mnt.host_paths": "storage of an engine"},
        spec=lambda ground: flags("-v", f"{peer_root(ground)}:/x:ro"),
    ),
    # shared memory and terminals
    Plant(
        "the host's /dev/shm bound",
        RUNC,
        {"dev.shm": "/dev/shm is the host's"},
        spec=edits(without_mount("/dev/shm"), bind("/dev/shm", "/dev/shm", "ro", *PROC_FLAGS)),
        needs="/dev/shm",
    ),
    Plant(
        "the host's /dev/pts bound",
        RUNC,
        {"dev.tty": "the host's devpts"},
        spec=edits(without_mount("/dev/pts"), bind("/dev/pts", "/dev/pts", "ro")),
    ),
    Plant("-v /dev/pts:/dev/pts", ENGINES, {"dev.tty": "the host's devpts"}, spec=flags("-v", "/dev/pts:/dev/pts")),
    Plant(
        "started from a terminal",
        UNSHARE,
        {"dev.tiocsti": "shares session and terminal"},
        overlay=in_a_terminal(),
    ),
    Plant("started from a terminal, in a session of its own", UNSHARE, overlay=in_a_terminal("setsid")),
    Plant(
        "started from a terminal, without --new-session",
        ("bwrap",),
        {"dev.tiocsti": "shares session and terminal"},
        overlay=lambda ground: {
            "create": [sys.executable, "-c", IN_A_TERMINAL, *without(ground.runtime.create, "--new-session")]
        },
    ),
    Plant(
        "started from a terminal",
        ("bwrap",),
        overlay=lambda ground: {"create": [sys.executable, "-c", IN_A_TERMINAL, *ground.runtime.create]},
    ),
    # devices
    Plant(
        "every device allowed",
        RUNC,
        {"dev.cgroup": "devices.list of its cgroup says"},
        spec=edits(put("linux.resources.devices", [EVERYTHING])),
        needs="/sys/fs/cgroup/devices",
    ),
    Plant(
        "--device-cgroup-rule c *:* rwm",
        ENGINES,
        {"dev.cgroup": ""},
        spec=flags("--device-cgroup-rule", "c *:* rwm"),
    ),
    *(
        Plant(
            f"--device-cgroup-rule {rule}, and MKNOD",
            ENGINES,
            {"dev.cgroup": f"devices.list of its cgroup says '{rule}', and CAP_MKNOD"},
            spec=flags("--device-cgroup-rule", rule, "--cap-add", "MKNOD"),
            base="may make nodes",
            needs="/sys/fs/cgroup/devices",
        )
        for rule in ("c 42:* rwm", "b 7:0 r", "b 8:* rw", "c 10:232 rwm")
    ),
    Plant("--device-cgroup-rule b 7:0 m", ENGINES, spec=flags("--device-cgroup-rule", "b 7:0 m")),
    *(
        Plant(
            f"--device {path}",
            ENGINES,
            {"dev.nodes": path, check: f"{path} opens"},
            spec=flags("--device", path),
            needs=path,
        )
        for path, check in (
            ("/dev/kvm", "dev.kvm_vhost"),
            ("/dev/fuse", "dev.fuse_tun"),
            ("/dev/net/tun", "dev.fuse_tun"),
        )
    ),
    *(
        Plant(
            f"{path} granted",
            RUNC,
            {"dev.nodes": path, check: f"{path} opens"},
            spec=edits(*node(path, 10, minor)),
            needs=path,
        )
        for path, check, minor in (("/dev/kvm", "dev.kvm_vhost", 232), ("/dev/fuse", "dev.fuse_tun", 229))
    ),
    # descriptors
    Plant(
        "--preserve-fds with a file, which is no folder",
        ("runc", "podman"),
        {"fd.inherited": "descriptors 3 (", "fd.outside_file": "descriptor 3 leads to the file"},
        spec=flags("--preserve-fds", "1"),
        overlay=given("given"),
    ),
    # environment: a canary's value that no report may hold
    Plant(
        "a name of the host's",
        RUNC,
        {"env.clean": "was passed on"},
        spec=lambda ground: edits(append("process.env", f"{passed_on(ground)}=canary")),
    ),
    Plant(
        "-e NAME of the host's",
        ENGINES,
        {"env.clean": "was passed on"},
        spec=lambda ground: flags("-e", f"{passed_on(ground)}=canary"),
    ),
    *(
        Plant(f"a {name}", RUNC, {check: name}, spec=edits(append("process.env", f"{name}=canary")))
        for name, check in (("API_TOKEN", "env.secrets"), ("https_proxy", "env.proxy"))
    ),
    *(
        Plant(f"-e {name}", ENGINES, {check: name}, spec=flags("-e", f"{name}=canary"))
        for name, check in (("API_TOKEN", "env.secrets"), ("https_proxy", "env.proxy"))
    ),
    Plant("-e of an image's own name", ENGINES, spec=flags("-e", "NGINX_VERSION=1")),
)
