"""Plants: single capabilities, and the kernel interfaces that they open."""

from __future__ import annotations

from oci_edits import Edit, append, bind, drop_namespace, grant, put, revoke
from plant import Make, Plant, edits, flags, from_version, opened

SPEC = ("runc", "crun")
ENGINES = ("docker", "podman")
SETS = ("bounding", "permitted", "effective")
WIDER = opened("cap.bounding", "cap.baseline")

# what an opened check says of it, where it is not the capability's own
SAYS = {
    "time.set": "set the host's clock",
    "kern.userfaultfd": "page faults",
    "kern.bpf": "bpf's check",
    "kern.perf": "profile",
}

# capability to what its own check says and what else it opens where no filter stands before it
ALONE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "SYS_PTRACE": ("cap.sys_ptrace", "SYS_PTRACE", ("kern.userfaultfd",)),
    "NET_ADMIN": ("cap.net_admin", "NET_ADMIN", ()),
    "DAC_READ_SEARCH": ("cap.dac_read_search", "DAC_READ_SEARCH", ()),
    "SYS_TIME": ("cap.rawio_boot_time", "SYS_TIME", ("time.set",)),
    "SYS_BOOT": ("cap.rawio_boot_time", "SYS_BOOT", ()),
    "BPF": ("cap.bpf_perfmon", "BPF", ("kern.bpf",)),
    "PERFMON": ("cap.bpf_perfmon", "PERFMON", ("kern.perf",)),
    "SYS_PACCT": ("kern.swap_acct_quota", "acct.no_such_path", ()),
}
# what an engine's filter lets through once the capability is granted: "includes" of moby profiles/seccomp and of
# containers/common pkg/seccomp; podman's does not know BPF before 5.2, docker 20.10 does not know the capability
FILTERED = ("seccomp.dangerous",)
BY_ENGINE: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "SYS_PTRACE": ("cap.sys_ptrace", "SYS_PTRACE", FILTERED),
    "NET_ADMIN": ("cap.net_admin", "NET_ADMIN", ()),
    "DAC_READ_SEARCH": ("cap.dac_read_search", "DAC_READ_SEARCH", FILTERED),
    "SYS_TIME": ("cap.rawio_boot_time", "SYS_TIME", ("time.set", *FILTERED)),
    "SYS_BOOT": ("cap.rawio_boot_time", "SYS_BOOT", FILTERED),
    "SYS_PACCT": ("kern.swap_acct_quota", "acct.no_such_path", FILTERED),
    "PERFMON": ("cap.bpf_perfmon", "PERFMON", ()),  # podman's refuses it with and without a rule
}
OLDER = ("PERFMON",)
ANYWAY = (("podman", "SYS_BOOT"),)  # podman 4.3 lets reboot(2) through without it: roles/podman/seccomp.yaml


def opens(check: str, fragment: str, more: tuple[str, ...]) -> dict[str, str]:
    """Return the checks that a capability opens, with what each says."""
    return {check: fragment, **{one: SAYS[one] for one in more if one in SAYS}}


def refusing(call: str) -> Make:
    """Return a Spec with a profile that refuses one call."""
    rule = {"names": [call], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
    return edits(put("linux.seccomp", {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [rule]}))


def capabilities(*names: str) -> Edit:
    """Return the edit that gives exactly these capabilities."""
    held = [f"CAP_{name}" for name in names]
    return put("process.capabilities", dict.fromkeys(SETS, held))


RTC = {"path": "/dev/rtc0", "type": "c", "major": 254, "minor": 0, "fileMode": 0o600, "uid": 0, "gid": 0}
ALMOST_NONE = ("--cap-drop=ALL", "--cap-add=NET_BIND_SERVICE")

BASES: dict[tuple[str, str], Make] = {
    **{(name, "no io_uring"): refusing("io_uring_setup") for name in SPEC},
    **{(name, "restricted"): edits(capabilities("NET_BIND_SERVICE")) for name in SPEC},
    **{(name, "restricted"): flags(*ALMOST_NONE) for name in ENGINES},
}

PLANTS = (
    Plant(
        "KILL beside NET_BIND_SERVICE",
        SPEC,
        {"cap.restricted": "KILL"},
        spec=edits(capabilities("NET_BIND_SERVICE", "KILL")),
        base="restricted",
    ),
    Plant(
        "CHOWN beside NET_BIND_SERVICE",
        ENGINES,
        {"cap.restricted": "CHOWN"},
        spec=flags(*ALMOST_NONE, "--cap-add=CHOWN"),
        base="restricted",
    ),
    Plant(
        "a filter that lets io_uring_setup through",
        SPEC,
        {"kern.io_uring": "io_uring_setup is reached"},
        spec=refusing("io_uring_register"),
        base="no io_uring",
    ),
    Plant(
        "a hardware clock",
        SPEC,
        {"time.rtc": "/dev/rtc0", "dev.nodes": "/dev/rtc0"},
        spec=edits(append("linux.devices", RTC)),
    ),
    Plant(
        "CAP_SYS_BOOT with the host's pids",
        SPEC,
        {"kern.kexec_reboot": "reboot the host"},
        spec=edits(drop_namespace("pid"), revoke("AUDIT_WRITE"), grant(*SETS, names=["SYS_BOOT"])),
        base="host's pids",
        also={**WIDER, **opened("cap.rawio_boot_time")},
    ),
    Plant(
        "no_new_privs off, and a volume without nosuid",
        SPEC,
        {"nnp.setuid": "/volume", "nnp.set": "no_new_privs is off"},
        spec=lambda ground: edits(
            put("process.noNewPrivileges", False), bind(ground.directory("volume"), "/volume", "rw")
        ),
    ),
    Plant(
        "no_new_privs off, and a volume with nosuid",
        SPEC,
        {"nnp.set": "no_new_privs is off"},
        spec=lambda ground: edits(
            put("process.noNewPrivileges", False), bind(ground.directory("volume"), "/volume", "rw", "nosuid")
        ),
    ),
    Plant(
        "CAP_SYS_NICE alone",
        ("runc",),
        {"kern.rt_sched": "SCHED_FIFO"},
        spec=edits(grant(*SETS, names=["SYS_NICE"])),
        also=WIDER,
        where="machine",  # CONFIG_RT_GROUP_SCHED of this machine's kernel gives cgroups no real-time budget
    ),
    *(
        Plant(
            f"CAP_{name} alone",
            SPEC,
            opens(check, fragment, more),
            spec=edits(grant(*SETS, names=[name])),
            also=WIDER,
        )
        for name, (check, fragment, more) in ALONE.items()
    ),
    *(
        Plant(
            f"--cap-add={name} alone",
            (engine,),
            opens(check, fragment, more),
            spec=flags("--cap-drop=NET_RAW", f"--cap-add={name}"),
            base="no raw, a filter",
            also={**WIDER, **opened(*(one for one in more if one not in SAYS and (engine, name) not in ANYWAY))},
        )
        for name, (check, fragment, more) in BY_ENGINE.items()
        for engine in (ENGINES if name not in OLDER else ("podman",))
    ),
    *from_version(
        "5.2",  # whose profile allows bpf with CAP_BPF: containers/common daa81f13 (0.60)
        Plant(
            "--cap-add=BPF alone",
            ("podman",),
            {"cap.bpf_perfmon": "BPF"},
            spec=flags("--cap-drop=NET_RAW", "--cap-add=BPF"),
            base="no raw, a filter",
            also=WIDER,
        ),
        opens={"cap.bpf_perfmon": "BPF", "kern.bpf": SAYS["kern.bpf"]},
        also={**WIDER, **opened(*FILTERED)},
    ),
    Plant(
        "CAP_MKNOD alone",
        SPEC,
        {"cap.mknod": "CAP_MKNOD"},
        spec=edits(grant(*SETS, names=["MKNOD"])),
        also=opened("cap.bounding"),
    ),
    Plant(
        "--cap-add=MKNOD",
        ("podman",),
        {"cap.mknod": "CAP_MKNOD"},
        spec=flags("--cap-add=MKNOD"),
        also=opened("cap.bounding"),
    ),
    Plant(
        "inheritable capabilities (CVE-2022-24769)",
        SPEC,
        {"cap.ambient": "KILL"},
        spec=edits(grant("inheritable", names=["KILL"])),
    ),
    Plant("nothing may be gained", ("docker", "podman"), spec=flags("--cap-drop=CHOWN")),
    Plant("an empty ambient set", SPEC, spec=edits(put("process.capabilities.ambient", []))),
)
