"""The live plants: sandboxes that lack one wall, by runtime, and what must be said of each.

In: nothing.  Out: `PLANTS`; `BASES`, sound sandboxes with a wall more than the runtime's default, for a check can only
turn red where it held; and `ONLY_SYNTHETIC`, the checks that no live plant can move here.  Read by planting.py.
No plant writes to a path of the host's or opens one for writing; nothing here needs docker's --privileged, which a
root without CAP_SYS_RESOURCE is refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ground import (
    CALLS,
    Ground,
    append,
    bind,
    docker_profile,
    drop_namespace,
    grant,
    join_namespace,
    mount_option,
    put,
    remove,
    replaced,
    with_descriptor,
    without,
)

from provisioner.sandboxes.limits import Limits
from provisioner.sandboxes.loads import CPUS, MEMORY, PIDS
from provisioner.sandboxes.sandbox import Sandbox

# whether docker's daemon is the one that `provisioner daemon docker` starts
OWN_DAEMON = "/docker-" in os.environ.get("DOCKER_HOST", "")
# where no mount of the host's is shared there is no group to be in
SHARED = ("mnt.propagation",) if " shared:" in Path("/proc/self/mountinfo").read_text() else ()

Make = Mapping[str, Any] | Callable[[Ground], Mapping[str, Any]]


@dataclass(frozen=True)
class Plant:
    """
    One thing that is missing, and what must be seen.

    Attributes:
        runtimes: the role names of the runtimes that it is for.
        opens: check id to a fragment of the reason; each held before and has `verdict` afterwards.
        also: what must move with them because it rests on the same wall, check id to its new verdict.
        spec: keyword arguments of Spec, or a function that makes them.
        base: the name in BASES of what it is compared with; "" is the session's own sandbox.
        overlay: keys of runtime.yaml to replace.
        exec: an argument list in place of the runtime's own exec.
        limit: the limit whose load is measured, in the planted sandbox; reach: whether the peer is tried.
        planted_peer: whether the peer is planted too; peer: another Spec for the peer.
        kind: the kind under which the sandbox is judged.
        needs: a path of the host without which there is nothing to plant.
        mended_by: what makes newer runtimes refuse it.
    """

    name: str
    runtimes: tuple[str, ...]
    opens: Mapping[str, str] = field(default_factory=dict)
    also: Mapping[str, str] = field(default_factory=dict)
    spec: Make = field(default_factory=dict)
    base: str = ""
    overlay: Callable[[Ground], Mapping[str, Any]] | None = None
    exec: Callable[[Ground, Sandbox], list[str]] | None = None
    verdict: str = "open"
    limit: str = ""
    reach: bool = False
    planted_peer: bool = False
    peer: Make | None = None
    kind: str = ""
    needs: str = ""
    mended_by: str = ""

    @property
    def look_alike(self) -> bool:
        """Whether it is no weakness: nothing may move."""
        return not self.opens


DOCKER, PODMAN, RUNC, UNSHARE, QEMU = ("docker",), ("podman",), ("runc",), ("unshare",), ("qemu",)
ENGINES = ("docker", "podman")


def flags(*words: str) -> Mapping[str, Any]:
    """Return a Spec with further arguments."""
    return {"flags": words}


def edits(*made: Callable[[dict[str, Any]], None]) -> Mapping[str, Any]:
    """Return a Spec with edits of the config."""
    return {"edits": made}


def opened(*checks: str) -> dict[str, str]:
    """Return the `also` of checks that turn open."""
    return dict.fromkeys(checks, "open")


def profiled(*more: str, errno: int = 1, allowed: str = "") -> Make:
    """Return a Spec with a profile that refuses every dangerous call but one."""
    return lambda ground: {"flags": (*more, "--security-opt", f"seccomp={ground.profile(allowed, errno)}")}


def beside_peer(kind: str) -> Make:
    """Return a Spec that joins one of the peer's namespaces, in the engines' words."""
    return lambda ground: flags(f"--{kind}=container:{ground.peer.name}")


def joined(kind: str, name: str) -> Make:
    """Return the same in OCI's words; `name` is that of /proc/PID/ns."""
    return lambda ground: edits(join_namespace(kind, f"/proc/{ground.peer_pid}/ns/{name}"))


def runc_profile(allowed: str = "", errno: int = 1) -> Make:
    """Return the same for runc, whose default has no filter at all."""
    return edits(put("linux.seccomp", docker_profile(allowed, errno)))


MAP = [{"containerID": 0, "hostID": 100000, "size": 65536}]
USERNS = (append("linux.namespaces", {"type": "user"}), put("linux.uidMappings", MAP), put("linux.gidMappings", MAP))
USERNS_FLAGS = ("--uidmap", "0:100000:65536", "--gidmap", "0:100000:65536")

BASES: dict[tuple[str, str], Make] = {
    ("docker", "cgroupns"): flags("--cgroupns=private"),
    ("podman", "cgroupns"): flags("--cgroupns=private"),
    ("runc", "cgroupns"): edits(append("linux.namespaces", {"type": "cgroup"})),
    ("docker", "user"): flags("--user", "1000:1000"),
    ("podman", "user"): flags("--user", "1000:1000"),
    ("runc", "user"): edits(put("process.user", {"uid": 1000, "gid": 1000})),
    ("podman", "userns"): flags(*USERNS_FLAGS),
    ("runc", "userns"): edits(*USERNS),
    ("docker", "nnp"): flags("--security-opt", "no-new-privileges"),
    ("podman", "nnp"): flags("--security-opt", "no-new-privileges"),
    ("docker", "host's network"): {"network": "host"},
    ("podman", "host's network"): {"network": "host"},
    ("docker", "no raw"): flags("--cap-drop", "NET_RAW"),
    ("docker", "profile"): profiled(),
    ("podman", "profile"): profiled(),
    ("runc", "profile"): runc_profile(),
}

NAMESPACES = (
    Plant(
        "--pid=host",
        ENGINES,
        {
            "ns.pid": "host's pid namespace",
            "ns.pid.procfs": "host's pid namespace",
            "sig.outside": "signal the host's process",
        },
        spec=flags("--pid=host"),
    ),
    Plant(
        "--pid=host for another user, whom the uid keeps from signalling",
        ENGINES,
        {"ns.pid": "host's pid namespace", "ns.pid.procfs": "host's pid namespace"},
        spec=flags("--pid=host", "--user", "1000:1000"),
        base="user",
    ),
    Plant(
        "no pid namespace",
        RUNC,
        {
            "ns.pid": "host's pid namespace",
            "ns.pid.procfs": "host's pid namespace",
            "sig.outside": "signal the host's process",
        },
        spec=edits(drop_namespace("pid")),
    ),
    Plant("--network=host", PODMAN, {"ns.net": "host's network namespace"}, spec={"network": "host"}),
    # the daemon that this project starts lives in a network namespace of its own: "host" is that one, and shared by all
    Plant(
        "--network=host, both",
        DOCKER,
        {"ns.peer": "its net namespace"} if OWN_DAEMON else {"ns.net": "host's network namespace"},
        spec={"network": "host"},
        planted_peer=True,
    ),
    Plant("no net namespace", RUNC, {"ns.net": "host's network namespace"}, spec=edits(drop_namespace("network"))),
    Plant("--ipc=host", ENGINES, {"ns.ipc": "host's IPC namespace"}, spec=flags("--ipc=host")),
    Plant("no ipc namespace", RUNC, {"ns.ipc": "host's IPC namespace"}, spec=edits(drop_namespace("ipc"))),
    Plant("--uts=host", ENGINES, {"ns.uts": "host's UTS namespace"}, spec=flags("--uts=host")),
    Plant(
        "no uts namespace",
        RUNC,
        {"ns.uts": "host's UTS namespace"},
        spec=edits(drop_namespace("uts"), put("hostname", "")),
    ),
    Plant("--cgroupns=host", ENGINES, {"ns.cgroup": "cgroup"}, spec=flags("--cgroupns=host"), base="cgroupns"),
    Plant("no cgroup namespace", RUNC, {"ns.cgroup": "host's cgroup namespace"}, base="cgroupns"),
    Plant(
        "no user namespace",
        ("podman", "runc"),
        {"ns.user": "host's user namespace", "user.root_mapped": "runs as the host's root"},
        base="userns",
    ),
    *(
        Plant(
            f"--{kind}=container:PEER",
            ENGINES,
            {"ns.peer": f"its {kind} namespace"},
            spec=beside_peer(kind),
            peer=flags("--ipc=shareable"),
        )
        for kind in ("pid", "ipc")
    ),
    Plant(
        "--network=container:PEER",
        ENGINES,
        {"ns.peer": "its net namespace", "net.peer_same": "its peer's token"},
        spec=lambda ground: {"network": "private", "flags": ("--network", f"container:{ground.peer.name}")},
        reach=True,
    ),
    *(
        Plant(
            f"the peer's {kind} namespace",
            RUNC,
            {"ns.peer": f"its {name} namespace"},
            spec=joined(kind, name),
        )
        for kind, name in (("pid", "pid"), ("ipc", "ipc"), ("uts", "uts"))
    ),
    Plant(
        "the peer's network namespace",
        RUNC,
        {"ns.peer": "its net namespace", "net.peer_same": "its peer's token"},
        spec=joined("network", "net"),
        reach=True,
    ),
    Plant(
        "-v /proc:/proc:ro",
        ENGINES,
        {"ns.pid.procfs": "the host's own, mounted again", "mnt.host_paths": "/proc is the host's /proc"},
        spec={"network": "host", "flags": ("-v", "/proc:/proc:ro")},
        base="host's network",  # elsewhere the engines set sysctls, which a read-only /proc refuses
    ),
    Plant(
        "the host's /proc bound",
        RUNC,
        {"ns.pid.procfs": "the host's own, mounted again", "mnt.host_paths": "/proc is the host's /proc"},
        spec=edits(
            lambda config: config["mounts"].__setitem__(
                0, {"destination": "/proc", "type": "bind", "source": "/proc", "options": ["bind", "ro"]}
            )
        ),
    ),
)


def nsenter(ground: Ground, sandbox: Sandbox) -> list[str]:
    """Return an exec that joins the namespaces and none of the other walls."""
    facts = sandbox.outside()
    assert facts is not None
    return ["nsenter", "--target", str(facts.process.pid), "--all", "--root", "--", "{{ argv }}"]


def exec_with(*more: str) -> Callable[[Ground, Sandbox], list[str]]:
    """Return the runtime's own exec with further flags."""

    def make(ground: Ground, sandbox: Sandbox) -> list[str]:
        argv = list(ground.runtime.exec or ())
        at = argv.index("exec") + 1
        return [*argv[:at], *more, *argv[at:]]

    return make


def exec_below(ground: Ground, sandbox: Sandbox) -> list[str]:
    """Return runc's exec into a cgroup below the sandbox's own."""
    ground.sub_cgroup(sandbox, "pids", "below")
    return exec_with("--cgroup", "pids:below")(ground, sandbox)


EXECS = (
    Plant(
        "exec by nsenter",
        ENGINES,
        {
            "ns.exec_parity": "another cgroup",
            "cap.exec_parity": "also holds AUDIT_CONTROL",
            "seccomp.exec_parity": "has seccomp mode 0, the first one 2",
        },
        exec=nsenter,
    ),
    Plant(
        "exec by nsenter",
        RUNC,
        {"ns.exec_parity": "another cgroup", "cap.exec_parity": "also holds AUDIT_CONTROL"},
        exec=nsenter,
    ),
    Plant(
        "exec --privileged",
        PODMAN,
        {"cap.exec_parity": "also holds AUDIT_CONTROL"},
        exec=exec_with("--privileged"),
    ),
    Plant("exec --cap", RUNC, {"cap.exec_parity": "SYS_PTRACE"}, exec=exec_with("--cap", "CAP_SYS_PTRACE")),
    Plant(
        "exec --cgroup",
        RUNC,
        {"ns.exec_parity": "another cgroup"},
        exec=exec_below,
        needs="/sys/fs/cgroup/pids",
    ),
)

USERS = (
    Plant("the default user", ("podman", "runc"), {"user.nonroot": "uid 0 inside"}, base="user"),
    Plant(
        "the default user",
        DOCKER,
        {"user.nonroot": "uid 0 inside"},
        opened("cap.baseline", "cap.net_raw"),  # another user's process has none in effect
        base="user",
    ),
    Plant("--group-add disk", ENGINES, {"user.groups": "groups 6"}, spec=flags("--group-add", "6")),
    Plant(
        "a group of the host", RUNC, {"user.groups": "groups 6"}, spec=edits(put("process.user.additionalGids", [6]))
    ),
)

CAPABILITIES = (
    Plant(
        "--cap-add=SYS_ADMIN",
        DOCKER,
        {
            "cap.bounding": "SYS_ADMIN",
            "cap.baseline": "SYS_ADMIN",
            "cap.sys_admin": "CAP_SYS_ADMIN",
            "seccomp.dangerous": "quotactl",
        },
        spec=flags("--cap-drop", "NET_RAW", "--cap-add", "SYS_ADMIN"),
        base="no raw",
    ),
    Plant(
        "--cap-add=SYS_ADMIN",
        PODMAN,
        {
            "cap.bounding": "SYS_ADMIN",
            "cap.baseline": "SYS_ADMIN",
            "cap.sys_admin": "CAP_SYS_ADMIN",
            "seccomp.dangerous": "quotactl",
        },
        spec=flags("--cap-add", "SYS_ADMIN"),
    ),
    Plant(
        "--cap-add=SYS_ADMIN in a user namespace, which is none over the host",
        PODMAN,
        {"cap.bounding": "SYS_ADMIN", "seccomp.dangerous": "quotactl"},
        spec=flags(*USERNS_FLAGS, "--cap-add", "SYS_ADMIN"),
        base="userns",
    ),
    Plant(
        "CAP_SYS_ADMIN in a user namespace, which is none over the host",
        RUNC,
        {"cap.bounding": "SYS_ADMIN"},
        spec=edits(*USERNS, grant("bounding", "permitted", "effective", names=["SYS_ADMIN"])),
        base="userns",
    ),
    Plant(
        "--cap-add=SYS_MODULE",
        DOCKER,
        {"cap.bounding": "SYS_MODULE", "cap.baseline": "SYS_MODULE", "cap.sys_module": "CAP_SYS_MODULE"},
        spec=flags("--cap-drop", "NET_RAW", "--cap-add", "SYS_MODULE"),
        base="no raw",
    ),
    Plant(
        "--cap-add=SYS_MODULE",
        PODMAN,
        {"cap.bounding": "SYS_MODULE", "cap.baseline": "SYS_MODULE", "cap.sys_module": "CAP_SYS_MODULE"},
        spec=flags("--cap-add", "SYS_MODULE"),
    ),
    Plant(
        "--cap-add=DAC_READ_SEARCH",
        DOCKER,
        {
            "cap.bounding": "DAC_READ_SEARCH",
            "cap.baseline": "DAC_READ_SEARCH",
            "seccomp.dangerous": "open_by_handle_at",
        },
        spec=flags("--cap-drop", "NET_RAW", "--cap-add", "DAC_READ_SEARCH"),
        base="no raw",
    ),
    Plant(
        "NET_RAW kept",
        DOCKER,
        {"cap.net_raw": "socket.packet_raw", "cap.baseline": "NET_RAW"},
        base="no raw",
    ),
    Plant(
        "--cap-add=NET_RAW",
        PODMAN,
        {"cap.net_raw": "socket.packet_raw", "cap.baseline": "NET_RAW", "cap.bounding": "NET_RAW"},
        spec=flags("--cap-add", "NET_RAW"),
    ),
    Plant(
        "--cap-add=ALL but what the host has not",
        DOCKER,
        {
            "cap.bounding": "SYS_ADMIN",
            "cap.baseline": "SYS_ADMIN",
            "cap.sys_admin": "CAP_SYS_ADMIN",
            "cap.sys_module": "CAP_SYS_MODULE",
            "cap.net_raw": "socket.packet_raw",
            "seccomp.dangerous": "lets through",
        },
        spec=flags("--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE"),
        base="no raw",
    ),
    Plant(
        "a wider bounding set",
        RUNC,
        {"cap.bounding": "SYS_PTRACE"},
        spec=edits(grant("bounding", names=["SYS_PTRACE"])),
    ),
    Plant(
        "permitted, not in effect",
        RUNC,
        {"cap.bounding": "LINUX_IMMUTABLE", "cap.baseline": "LINUX_IMMUTABLE"},
        spec=edits(grant("bounding", "permitted", names=["LINUX_IMMUTABLE"])),
    ),
    *(
        Plant(
            f"CAP_{name} granted",
            RUNC,
            {"cap.bounding": name, "cap.baseline": name, check: reason},
            spec=edits(grant("bounding", "permitted", "effective", names=[name])),
        )
        for name, check, reason in (
            ("SYS_ADMIN", "cap.sys_admin", "CAP_SYS_ADMIN"),
            ("SYS_MODULE", "cap.sys_module", "CAP_SYS_MODULE"),
            ("NET_RAW", "cap.net_raw", "socket.packet_raw, socket.inet_raw"),
        )
    ),
    Plant("no-new-privileges left out", ENGINES, {"nnp.set": "no_new_privs is off"}, base="nnp"),
    Plant("noNewPrivileges: false", RUNC, {"nnp.set": "off"}, spec=edits(put("process.noNewPrivileges", False))),
)

FILTERS = (
    Plant(
        "seccomp=unconfined",
        ENGINES,
        {"seccomp.mode": "no seccomp filter (mode 0)", "seccomp.dangerous": ", ".join(["personality.no_randomize"])},
        spec=flags("--security-opt", "seccomp=unconfined"),
    ),
    Plant(
        "no linux.seccomp",
        RUNC,
        {"seccomp.mode": "no seccomp filter (mode 0)", "seccomp.dangerous": "personality.no_randomize"},
        base="profile",
    ),
    *(
        Plant(
            f"a profile that allows {call}",
            runtimes,
            {"seccomp.dangerous": f"the filter lets through {', '.join(rows)}"},
            spec=make(allowed=call),
            base="profile",
        )
        for call, rows in CALLS.items()
        for runtimes, make in ((ENGINES, profiled), (RUNC, runc_profile))
    ),
)

# a kernel without CONFIG_MAGIC_SYSRQ has no such file
SYSRQ = {"path.sysrq": "sysrq-trigger opens for writing"} if Path("/proc/sysrq-trigger").exists() else {}
PROC_SYS = {"path.proc_sys": "opens for writing", "path.core_pattern": "core_pattern opens for writing"}
PATHS = (
    Plant(
        "systempaths=unconfined",
        DOCKER,
        {**PROC_SYS, **SYSRQ},
        {"path.mask_real": "not_applicable"},
        spec=flags("--security-opt", "systempaths=unconfined"),
    ),
    Plant(
        "unmask=ALL",
        PODMAN,
        {**PROC_SYS, **SYSRQ},
        {"path.mask_real": "not_applicable"},
        spec=flags("--security-opt", "unmask=ALL"),
    ),
    Plant("/proc/sys not in readonlyPaths", RUNC, PROC_SYS, spec=edits(remove("linux.readonlyPaths", "/proc/sys"))),
    Plant(
        "only /proc/sys/kernel in readonlyPaths",
        RUNC,
        {"path.proc_sys": "/proc/sys/vm/panic_on_oom opens"},
        spec=edits(remove("linux.readonlyPaths", "/proc/sys"), append("linux.readonlyPaths", "/proc/sys/kernel")),
    ),
    Plant(
        "all of /proc/sys that was thought of in readonlyPaths",
        RUNC,
        {"path.core_pattern": "core_pattern opens"},
        spec=edits(
            remove("linux.readonlyPaths", "/proc/sys"),
            append("linux.readonlyPaths", "/proc/sys/vm", "/proc/sys/kernel/panic"),
        ),
    ),
    Plant(
        "sysrq-trigger not in readonlyPaths",
        RUNC,
        {"path.sysrq": "sysrq-trigger opens"},
        spec=edits(remove("linux.readonlyPaths", "/proc/sysrq-trigger")),
        needs="/proc/sysrq-trigger",
    ),
    Plant(
        "kcore not in maskedPaths",
        RUNC,
        {"path.kcore": "an image of the kernel's memory"},
        spec=edits(remove("linux.maskedPaths", "/proc/kcore")),
        needs="/proc/kcore",
    ),
    Plant(
        "/dev/null is another device (CVE-2025-31133)",
        RUNC,
        {"path.mask_real": "a char, not the null device", "dev.nodes": "/dev/null"},
        spec=edits(bind("/dev/zero", "/dev/null", "ro")),
        mended_by="runc 1.2.8 and 1.3.3 look at what they mask with",
    ),
    Plant(
        "/dev/null is another device (CVE-2025-31133)",
        ENGINES,
        {"path.mask_real": "a char, not the null device", "dev.nodes": "/dev/null"},
        spec=flags("-v", "/dev/zero:/dev/null:ro"),
        mended_by="runc 1.2.8 and 1.3.3 look at what they mask with",
    ),
    Plant(
        "a folder for the mask of /sys/firmware",
        RUNC,
        {"path.mask_real": "the mask over /sys/firmware is a folder that is no tmpfs"},
        spec=lambda ground: edits(
            remove("linux.maskedPaths", "/sys/firmware"), bind(ground.directory("firmware", "a"), "/sys/firmware")
        ),
        needs="/sys/firmware",
    ),
    Plant(
        "a writable tmpfs for the mask of /sys/firmware",
        RUNC,
        {"path.mask_real": "the mask over /sys/firmware is a writable tmpfs"},
        spec=edits(
            remove("linux.maskedPaths", "/sys/firmware"),
            append("mounts", {"destination": "/sys/firmware", "type": "tmpfs", "source": "tmpfs", "options": []}),
        ),
        needs="/sys/firmware",
    ),
    Plant(
        "unmask=/sys/firmware and a folder there",
        PODMAN,
        {"path.mask_real": "the mask over /sys/firmware is a folder that is no tmpfs"},
        spec=lambda ground: flags(
            *("--security-opt", "unmask=/sys/firmware"), "-v", f"{ground.directory('firmware', 'a')}:/sys/firmware"
        ),
        needs="/sys/firmware",
    ),
    Plant("/sys mounted writable", RUNC, {"path.sys_ro": "writable"}, spec=edits(mount_option("/sys", remove="ro"))),
    Plant(
        "cgroups mounted writable",
        RUNC,
        {"path.cgroup_ro": "cgroup.procs of /sys/fs/cgroup"},
        spec=edits(mount_option("/sys/fs/cgroup", remove="ro")),
    ),
    Plant(
        "--systemd=always",
        PODMAN,
        {"path.cgroup_ro": "cgroup.procs of /sys/fs/cgroup/systemd"},
        spec=flags("--systemd=always"),
    ),
    Plant(
        "--privileged",
        PODMAN,
        {
            "cap.bounding": "SYS_ADMIN",
            "cap.baseline": "SYS_ADMIN",
            "cap.sys_admin": "CAP_SYS_ADMIN",
            "cap.sys_module": "CAP_SYS_MODULE",
            "cap.net_raw": "socket.packet_raw",
            "seccomp.mode": "no seccomp filter",
            "seccomp.dangerous": "lets through",
            "path.sys_ro": "/sys is mounted writable",
            "path.cgroup_ro": "cgroup.procs of",
            "dev.nodes": "/dev also holds",
            "dev.block": "opens for reading",
            **PROC_SYS,
            **SYSRQ,
        },
        {"path.mask_real": "not_applicable"},
        spec=flags("--privileged"),
    ),
)

DEVICES = (
    Plant(
        "--device a strange node", ENGINES, {"dev.nodes": "/dev/other"}, spec=flags("--device", "/dev/zero:/dev/other")
    ),
    Plant(
        "a strange node",
        RUNC,
        {"dev.nodes": "/dev/other"},
        spec=edits(
            append("linux.devices", {"path": "/dev/other", "type": "c", "major": 1, "minor": 5, "fileMode": 438})
        ),
    ),
    Plant(
        "--device LOOP",
        ENGINES,
        {"dev.nodes": "/dev/disk", "dev.block": "/dev/disk opens for reading"},
        spec=lambda ground: flags("--device", f"{ground.loop_device()}:/dev/disk:r"),
        needs="/dev/loop-control",
    ),
    Plant(
        "a loop device",
        RUNC,
        {"dev.nodes": "/dev/disk", "dev.block": "/dev/disk opens for reading"},
        spec=lambda ground: edits(*loop_node(ground)),
        needs="/dev/loop-control",
    ),
)


def loop_node(ground: Ground) -> tuple[Callable[[dict[str, Any]], None], ...]:
    """Return the edits that add a loop device of the test's own, and the right to read it."""
    minor = int(ground.loop_device().removeprefix("/dev/loop"))
    node = {"path": "/dev/disk", "type": "b", "major": 7, "minor": minor, "fileMode": 384, "uid": 0, "gid": 0}
    rule = {"allow": True, "type": "b", "major": 7, "minor": minor, "access": "r"}
    return append("linux.devices", node), append("linux.resources.devices", rule)


MOUNTS = (
    *(
        Plant(
            f"-v {path}:/x:ro",
            ENGINES,
            {"mnt.host_paths": f"/x is the host's {path}"},
            spec=flags("-v", f"{path}:/x:ro"),
        )
        for path in ("/etc", "/usr", "/var/log")
    ),
    Plant(
        "another file in the place of one that engines give",
        ENGINES,
        {"mnt.host_paths": "/etc/hosts is the host's /etc/passwd"},
        spec=flags("-v", "/etc/passwd:/etc/hosts:ro"),
    ),
    Plant(
        "the host's /etc bound",
        RUNC,
        {"mnt.host_paths": "/x is the host's /etc"},
        spec=edits(bind("/etc", "/x", "ro")),
    ),
    Plant(
        "the host's /etc/passwd bound",
        RUNC,
        {"mnt.host_paths": "/etc/passwd is the host's /etc/passwd"},
        spec=edits(bind("/etc/passwd", "/etc/passwd", "ro")),
    ),
    Plant(
        "-v DIR:/d:rshared",
        ENGINES,
        {"mnt.propagation": "/d is in a peer group of the host's"},
        spec=lambda ground: flags("-v", f"{ground.shared_folder()}:/d:rshared"),
    ),
    Plant(
        "a shared bind",
        RUNC,
        {"mnt.propagation": "/d is in a peer group of the host's"},
        spec=lambda ground: edits(
            put("linux.rootfsPropagation", "rshared"), bind(ground.shared_folder(), "/d", "rshared")
        ),
    ),
    Plant(
        "--preserve-fds",
        ("podman", "runc"),
        {"fd.inherited": "descriptors 3 ("},
        spec=flags("--preserve-fds", "1"),
        overlay=lambda ground: {"create": with_descriptor(ground.runtime.create, ground.directory("given"))},
    ),
)


def limited(name: str, **how: Any) -> Callable[[Ground], Mapping[str, Any]]:
    """Return the overlay that leaves one limit, asked for in another way."""
    return lambda ground: {"limits": {name: how}}


SPARE = 65536
LIMITS = (
    *(
        Plant(
            f"{name} limit left out",
            ("docker", "podman", "runc", "unshare"),
            {f"lim.{name}": fragment},
            limit=name,
            verdict="ignored",
            overlay=limited(name),
        )
        for name, fragment in (("memory", "it took 80 MiB of 64"), ("cpu", "no limit"), ("pids", "64 children came up"))
    ),
    *(
        Plant(
            f"{name} limit a little too large",
            ENGINES,
            {f"lim.{name}": fragment},
            limit=name,
            verdict="ignored",
            overlay=limited(name, flags=list(words)),
        )
        for name, fragment, words in (
            ("memory", "bytes", ("--memory", "{{ bytes + 4096 }}", "--memory-swap", "{{ bytes + 4096 }}")),
            ("cpu", "a quota of 60000", ("--cpus", "{{ cpus + 0.1 }}")),
            ("pids", "a limit of 33 tasks", ("--pids-limit", "{{ count + 1 }}")),
        )
    ),
    *(
        Plant(
            f"{name} limit a little too large",
            RUNC,
            {f"lim.{name}": fragment},
            limit=name,
            verdict="ignored",
            overlay=limited(name, config={f"linux.resources.{name}": template}),
        )
        for name, fragment, template in (
            ("memory", "the cgroup shows 67112960 bytes", "{{ {'limit': bytes + 4096, 'swap': bytes + 4096} }}"),
            ("cpu", "a quota of 60000", "{{ {'quota': quota + 10000, 'period': period} }}"),
            ("pids", "a limit of 33 tasks", "{{ {'limit': count + 1} }}"),
        )
    ),
    *(
        Plant(
            f"{name} limit a little too large",
            UNSHARE,
            {f"lim.{name}": fragment},
            limit=name,
            verdict="ignored",
            spec={"limits": limits},
            overlay=limited(name, cgroup=True),
        )
        for name, fragment, limits in (
            ("memory", "the cgroup shows 67112960 bytes", Limits(memory=MEMORY + 4096)),
            ("cpu", "a quota of 60000", Limits(cpus=CPUS + 0.1)),
            ("pids", "a limit of 33 tasks", Limits(pids=PIDS + 1)),
        )
    ),
    Plant(
        "cpu limit refused",
        RUNC,
        {"lim.cpu": "failed to write"},
        limit="cpu",
        verdict="refused",
        overlay=limited("cpu", config={"linux.resources.cpu": "{{ {'quota': 10, 'period': period} }}"}),
    ),
    *(
        Plant(
            f"{name} limit refused",
            runtimes,
            {f"lim.{name}": fragment},
            limit=name,
            verdict="refused",
            overlay=limited(name, flags=list(words)),
        )
        for name, runtimes, fragment, words in (
            ("memory", DOCKER, "Minimum memory limit allowed", ("--memory", "1b")),
            ("cpu", DOCKER, "Range of CPUs is from", ("--cpus", "4096")),
            ("memory", PODMAN, "memory", ("--memory", "1b")),
            ("cpu", PODMAN, "many", ("--cpus", "many")),
            ("pids", PODMAN, "many", ("--pids-limit", "many")),
        )
    ),
)

LOOK_ALIKES = (
    Plant("an innocent file", ENGINES, spec=lambda ground: flags("-v", f"{ground.file('data')}:/data:ro")),
    Plant("an innocent file", RUNC, spec=lambda ground: edits(bind(ground.file("data"), "/data", "ro"))),
    Plant(
        "a tree that looks like the host's root",
        ENGINES,
        spec=lambda ground: flags("-v", f"{ground.directory('etc', 'passwd')}:/host/etc"),
    ),
    Plant("a capability added and dropped", ENGINES, spec=flags("--cap-add", "CHOWN", "--cap-drop", "KILL")),
    Plant("a larger /dev/shm", ENGINES, spec=flags("--shm-size", "16m")),
    Plant("a tmpfs of its own", ENGINES, spec=flags("--tmpfs", "/scratch:size=1m")),
    Plant("a name of its own", ENGINES, spec=flags("--hostname", "localhost")),
    Plant("an init", DOCKER, spec=flags("--init"), needs="/usr/bin/docker-init"),  # bound in from the host's /usr
    Plant("a default device once more", ENGINES, spec=flags("--device", "/dev/zero:/dev/zero")),
    Plant("a slave bind", ENGINES, spec=lambda ground: flags("-v", f"{ground.shared_folder()}:/d:rslave")),
    Plant("a slave bind", RUNC, spec=lambda ground: edits(bind(ground.shared_folder(), "/d", "rslave"))),
    Plant("a rootfs shared within", RUNC, spec=edits(put("linux.rootfsPropagation", "slave"))),
    *(
        Plant(f"a filter that answers {name}", runtimes, spec=make(errno=errno), base="profile")
        for name, errno in (("ENOSYS", 38), ("EACCES", 13))
        for runtimes, make in ((ENGINES, profiled), (RUNC, runc_profile))
    ),
    Plant("a host name of the peer's", RUNC, spec=edits(put("hostname", "peer"))),
    Plant("a time namespace of its own", UNSHARE, spec=flags("--time")),
    Plant("mounts that only receive", UNSHARE, spec=flags("--propagation", "slave")),
    Plant("a writable root", RUNC, spec=edits(put("root.readonly", False))),
    Plant("its own group once more", RUNC, spec=edits(put("process.user.additionalGids", [0]))),
)


def unshared(*left_out: str) -> Callable[[Ground], Mapping[str, Any]]:
    """Return the overlay of unshare's create without some of its words."""
    return lambda ground: {"create": without(ground.runtime.create, *left_out)}


def _as_root(ground: Ground) -> list[str]:
    create = ground.runtime.create
    return [word for word in create if "--uid" not in word]


def _bare(ground: Ground) -> list[str]:
    """Return create up to the program, without the launcher that pivots: it serves where unshare left it."""
    create = list(ground.runtime.create)
    last = len(create) - 1 - create[::-1].index("--")
    middle = create.index("--", create.index("--") + 1)
    return [*without(create[:middle], "--mount"), "--", "{{ probe }}", *create[last + 2 :]]


NAMESPACES_LEFT_OUT = (
    Plant("no --ipc", UNSHARE, {"ns.ipc": "host's IPC namespace"}, overlay=unshared("--ipc")),
    Plant("no --uts", UNSHARE, {"ns.uts": "host's UTS namespace"}, overlay=unshared("--uts")),
    Plant("no --cgroup", UNSHARE, {"ns.cgroup": "host's cgroup namespace"}, overlay=unshared("--cgroup")),
    Plant(
        "no --net",
        UNSHARE,
        {"ns.net": "host's network namespace"},
        {"cap.net_raw": "holds"},
        overlay=unshared("--net", "--loopback"),
    ),
    Plant(
        "unshare -r run by root",
        UNSHARE,
        {"user.root_mapped": "root", **PROC_SYS, **SYSRQ},
        overlay=lambda ground: {"create": _as_root(ground)},
    ),
    Plant(
        "no --user, by root",
        UNSHARE,
        {
            "ns.user": "host's user namespace",
            "user.root_mapped": "runs as the host's root",
            "cap.baseline": "SYS_ADMIN",
            "cap.sys_admin": "CAP_SYS_ADMIN",
            "cap.sys_module": "CAP_SYS_MODULE",
            **PROC_SYS,
            **SYSRQ,
        },
        overlay=lambda ground: {"create": without(_as_root(ground), "--user", "--map-root-user")},
    ),
    Plant(
        "no --mount",
        UNSHARE,
        {"ns.mnt": "host's mount namespace", "mnt.host_paths": "host's /"},
        opened("ns.pid.procfs", "dev.nodes", "path.sys_ro", *SHARED),
        overlay=lambda ground: {"create": _bare(ground)},
    ),
    Plant(
        "a group of the caller kept",
        UNSHARE,
        {"user.groups": "groups 6"},
        overlay=lambda ground: {
            "create": [*("setpriv", "--reuid=65534", "--regid=65534", "--groups=6"), *ground.runtime.create[5:]]
        },
    ),
    Plant(
        "the peer's network namespace",
        UNSHARE,
        {"ns.peer": "its net namespace", "net.peer_same": "its peer's token"},
        {"cap.net_raw": "holds"},
        overlay=lambda ground: {
            "create": [
                *("nsenter", f"--net=/proc/{ground.peer_pid}/ns/net", "--"),
                *without(ground.runtime.create, "--net", "--loopback"),
            ]
        },
        reach=True,
    ),
)


def _machine_id(ground: Ground) -> Mapping[str, Any]:
    """Return the overlay of a VM whose image has a machine-id baked in: a second archive after the first."""
    # initramfs is made by the host for this run: its path is in the values
    first = str(ground.host.values(ground.runtime)["initramfs"])
    path = ground.folder / "initramfs.cpio"
    path.write_bytes(Path(first).read_bytes() + cpio_file("etc/machine-id", b"0123456789abcdef0123456789abcdef\n"))
    return {"create": replaced(ground.runtime.create, "{{ initramfs }}", str(path))}


def cpio_file(name: str, data: bytes) -> bytes:
    """Return one file as a `newc` archive (Documentation/driver-api/early-userspace/buffer-format.rst)."""

    def entry(name: str, mode: int, data: bytes) -> bytes:
        fields = (1, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % number for number in fields) + name.encode() + b"\0"
        return head + bytes(-len(head) % 4) + data + bytes(-len(data) % 4)

    whole = entry(name, 0o100444, data) + entry("TRAILER!!!", 0, b"")
    return whole + bytes(-len(whole) % 512)


def _run_as(ground: Ground) -> Mapping[str, Any]:
    return {"create": _as_root(ground)}


MISLABELLED = opened(
    *("ns.pid", "ns.net", "ns.mnt", "ns.ipc", "ns.uts", "ns.user", "user.root_mapped", "seccomp.mode"),
    *("cap.sys_module", "path.proc_sys", "path.core_pattern", "path.sys_ro"),
    *("dev.nodes", "dev.block", "mnt.host_paths"),
) | {"path.sysrq": "open" if SYSRQ else "not_applicable"}

MACHINES = (
    Plant(
        "QEMU run by root",
        QEMU,
        {"user.root_mapped": "hypervisor's process runs as root"},
        overlay=_run_as,
    ),
    Plant(
        "QEMU with -sandbox off",
        QEMU,
        {"seccomp.mode": "the hypervisor's process has no seccomp filter"},
        spec=flags("-sandbox", "off"),
    ),
    Plant(
        "a block device of the host",
        QEMU,
        {"dev.block": "hypervisor has the host's /dev/loop"},
        spec=lambda ground: flags(
            *("-sandbox", "on,obsolete=deny,spawn=deny,resourcecontrol=deny", "-runas", "nobody"),
            *("-drive", f"file={ground.loop_device()},format=raw,if=none,id=disk,readonly=on,file.locking=off"),
        ),
        overlay=_run_as,
        needs="/dev/loop-control",
    ),
    Plant(
        "a machine id baked into the image",
        QEMU,
        {"vm.boot_id": "its machine id is its peer's"},
        overlay=_machine_id,
        planted_peer=True,
    ),
    Plant(
        "a plain process called a VM",
        QEMU,
        {"vm.kernel": "it runs on the host's kernel", "vm.boot_id": "its boot id is the host's"},
        MISLABELLED,
        overlay=lambda ground: {"create": ["{{ probe }}", "serve", "{{ nonce }}"], "boundary": "process"},
    ),
    Plant(
        "twice the memory",
        QEMU,
        {"lim.memory": "MiB of 192"},
        limit="memory",
        verdict="ignored",
        overlay=lambda ground: {
            "limits": {"memory": {"step": 201326592}},
            "create": replaced(ground.runtime.create, "{{ (limit.memory or 268435456) // 1048576 }}", "384"),
        },
    ),
    Plant(
        "a second CPU",
        QEMU,
        {"lim.cpu": "2 CPUs are seen inside"},
        limit="cpu",
        verdict="ignored",
        overlay=lambda ground: {
            "limits": {"cpu": {"step": 1}},
            "create": replaced(ground.runtime.create, "{{ (limit.cpus or 1) | round(0, 'ceil') | int }}", "2"),
        },
    ),
    Plant("a disk of its own", QEMU, spec=lambda ground: flags(*own_disk(ground))),
    Plant("a larger guest", QEMU, spec=flags("-name", "larger")),
)


def own_disk(ground: Ground) -> tuple[str, ...]:
    """Return the arguments of a disk that is a file of the test's own."""
    path = ground.file("disk.img", "\0" * 4096)
    path.chmod(0o644)
    return ("-drive", f"file={path},format=raw,if=none,id=disk,readonly=on")


PLANTS = (
    *NAMESPACES,
    *EXECS,
    *USERS,
    *CAPABILITIES,
    *FILTERS,
    *PATHS,
    *DEVICES,
    *MOUNTS,
    *LIMITS,
    *NAMESPACES_LEFT_OUT,
    *MACHINES,
    *LOOK_ALIKES,
)

# What no live plant can move on the machine where this was written.  A plant with `needs` may move it elsewhere.
ONLY_SYNTHETIC = {
    "path.sysrq": "the kernel where this was written has no /proc/sysrq-trigger; where there is one, plants are live",
    "lsm.confined": "no confining LSM is active where this was written",
    "path.kcore": "the kernel where this was written has no /proc/kcore; where there is one, runc's plant is live",
}
