"""Plants in machines of lab.yaml: what only a guest has (AppArmor, kcore), and settings of a whole machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ground import Ground
from plant import PROC_SYS, UNMASKED, Make, Plant, flags, opened

DOCKER = ("docker",)
ENGINES = ("docker", "podman")
QUICK = ("runc", "lxc")  # for what is the machine's own, whatever the runtime

SYSCTL, SOCKET = "kernel.yama.ptrace_scope", "/run/docker.sock"
RAWIO = ("cap.bounding", "cap.rawio_boot_time")


def yama(ground: Ground) -> Mapping[str, Any]:
    """Let only parents trace, as Debian's kernel does not by itself."""
    ground.set_machine(["sysctl", "-w", f"{SYSCTL}=1"], back=["sysctl", "-w", f"{SYSCTL}=0"])
    return {}


def socket_for_all(ground: Ground) -> Mapping[str, Any]:
    """Let every user of the machine connect to its engine."""
    ground.set_machine(["chmod", "0666", SOCKET], back=["chmod", "0660", SOCKET])
    return {}


def socket_for_its_owner(ground: Ground) -> Mapping[str, Any]:
    """Let nobody but its owner connect to the machine's engine."""
    ground.set_machine(["chmod", "0600", SOCKET], back=["chmod", "0660", SOCKET])
    return {}


BASES: dict[tuple[str, str], Make] = {
    **{(runtime, "only parents trace"): yama for runtime in QUICK},
    # profiles that LXC brings: for docker another one than all of its own have, for LXC one of its own for each
    ("docker", "LXC's profile"): flags("--security-opt", "apparmor=lxc-container-default"),
    ("lxc", "its own profile"): flags("--define", "lxc.apparmor.profile=generated"),
    **{(engine, "no profile"): flags("--security-opt", "apparmor=unconfined") for engine in ENGINES},
}

PLANTS = (
    Plant(
        "apparmor=unconfined",
        ENGINES,
        # lsm.distinct was open before: engines give all the same profile
        dict.fromkeys(("lsm.confined", "lsm.enforcing", "lsm.writes"), "no mandatory-access label confines it"),
        spec=flags("--security-opt", "apparmor=unconfined"),
        where="machine",
    ),
    Plant(
        "--pid=host, without AppArmor",
        ENGINES,
        {
            "ns.pid": "host's pid namespace",
            "ns.pid.procfs": "host's pid namespace",
            "sig.outside": "signal the host's process",
            "sig.peer": "signal its peer's process",
            "ptrace.outside": "with its own user and no capability",
        },
        spec=flags("--security-opt", "apparmor=unconfined", "--pid=host"),
        base="no profile",
        where="machine",
    ),
    # AppArmor's docker-default denies most of these by itself: compared without it
    Plant(
        "systempaths=unconfined, without AppArmor",
        DOCKER,
        {
            **PROC_SYS,
            **UNMASKED,
            "path.kcore": "kcore",
            "path.sysrq": "sysrq-trigger opens for writing",
        },
        {"path.mask_real": "not_applicable"},
        spec=flags("--security-opt", "apparmor=unconfined", "--security-opt", "systempaths=unconfined"),
        base="no profile",
        where="machine",
    ),
    Plant(  # docker's own profile refuses what LXC's lets pass
        "the profile of all",
        DOCKER,
        {"lsm.distinct": "its peer's label is"},
        {"lsm.writes": "holds"},
        base="LXC's profile",
        where="machine",
    ),
    Plant(
        "the profile of all", ("lxc",), {"lsm.distinct": "its peer's label is"}, base="its own profile", where="machine"
    ),
    Plant(
        "kernel.yama.ptrace_scope=0",
        QUICK,
        {"lsm.yama": "may trace all others of its user"},
        base="only parents trace",
        where="machine",
    ),
    Plant(
        "its engine's socket for all",
        DOCKER,
        {"mgmt.sock_mode": "every user may connect"},
        spec=socket_for_all,
        where="machine",
    ),
    Plant("its engine's socket for its owner alone", DOCKER, spec=socket_for_its_owner, where="machine"),
    *(
        Plant(
            "--device=/dev/mem --cap-add=SYS_RAWIO",
            (engine,),
            {"dev.mem": "/dev/mem opens", "dev.nodes": "/dev/mem", **dict.fromkeys(checks, "SYS_RAWIO")},
            opened("seccomp.dangerous"),  # their profiles let iopl and ioperm through with this capability
            spec=flags("--device=/dev/mem", "--cap-add=SYS_RAWIO"),
            where="machine",
        )
        # cap.baseline was open before: docker keeps CAP_NET_RAW
        for engine, checks in (("docker", RAWIO), ("podman", (*RAWIO, "cap.baseline")))
    ),
    Plant(  # open(2) asks for CAP_SYS_RAWIO besides (drivers/char/mem.c, open_port): dev.mem holds
        "--device=/dev/mem", DOCKER, {"dev.nodes": "/dev/mem"}, spec=flags("--device=/dev/mem"), where="machine"
    ),
)
