"""Plants of kernel files, labels, Landlock and hardware: one file each, on runc and on the engines."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ground import Ground
from oci_edits import Edit, append, bind, grant, put, remove
from plant import SYSLOG, Make, Plant, edits, flags, opened
from profiles import docker_profile

RUNC = ("runc",)
DOCKER = ("docker",)
PODMAN = ("podman",)
ENGINES = ("docker", "podman")
POWERCAP = "/sys/devices/virtual/powercap"
CRASH = "/sys/kernel/vmcoreinfo"
DESCRIBING = ("/proc/cmdline", "/proc/config.gz", "/proc/modules", "/sys/devices/virtual/dmi", CRASH)
MORE = ("/proc/interrupts", POWERCAP, *DESCRIBING)
LANDLOCK = ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self")
V1 = "/sys/fs/cgroup/systemd"
KMSG = {"path": "/dev/kmsg", "type": "c", "major": 1, "minor": 11, "fileMode": 438, "uid": 0, "gid": 0}

ONLY_SYNTHETIC = {
    "hw.vulnerabilities": "mitigations and microcode are the host's, which no test changes",
    "hw.smt": "threads of a core are the host's, which no test changes",
    "hw.resctrl": "resctrl is of processors with cache allocation, which none here is",
}


def masked(*but: str) -> Make:
    """Return a Spec of runc with all masked that may be, but these."""
    return edits(append("linux.maskedPaths", *(path for path in MORE if path not in but)))


def podman_masked(*but: str) -> Make:
    """Return the same in podman's words."""
    return flags("--security-opt", f"mask={':'.join(path for path in MORE if path not in but)}")


def profile(*names: str, errno: int = 1) -> dict[str, Any]:
    """Return a profile that refuses the dangerous calls and these."""
    made = docker_profile("", errno)
    allowed, refused = made["syscalls"][0]["names"], made["syscalls"][-1]["names"]
    allowed[:] = [name for name in allowed if name not in names]
    refused += names
    return made


def profiled(errno: int) -> Make:
    """Return a Spec of an engine with a profile that refuses Landlock too."""

    def make(ground: Ground) -> Mapping[str, Any]:
        text = json.dumps(profile(*LANDLOCK, errno=errno))
        return flags("--security-opt", f"seccomp={ground.file(f'landlock-{errno}.json', text)}")

    return make


def merging(ground: Ground) -> Mapping[str, Any]:
    """Return the overlay of a runtime that offers its pages, and with them those of all that it starts."""
    code = "import ctypes, os, sys; ctypes.CDLL(None).prctl(67, 1, 0, 0, 0); os.execvp(sys.argv[1], sys.argv[1:])"
    return {"create": ["python3", "-c", code, *ground.runtime.create]}


def mounted(fstype: str, target: str) -> Edit:
    """Return the edit that mounts a file system of the kernel's, read-only and for this sandbox alone."""
    return append("mounts", {"destination": target, "type": fstype, "source": fstype, "options": ["ro", "nosuid"]})


def _unmasked(make: Callable[..., Make], runtimes: tuple[str, ...]) -> tuple[Plant, ...]:
    return (
        Plant(
            "/proc/interrupts not masked",
            runtimes,
            {"path.interrupts": "/proc/interrupts is there"},
            spec=make("/proc/interrupts"),
            base="masked",
        ),
        Plant(
            "powercap not masked",
            runtimes,
            {"path.powercap": "powercap is there"},
            spec=make(POWERCAP),
            base="masked",
            needs=POWERCAP,
        ),
        Plant(
            "/proc/cmdline not masked",
            runtimes,
            {"path.host_facts": "/proc/cmdline can be read"},
            spec=make("/proc/cmdline"),
            base="masked",
        ),
        Plant(
            "vmcoreinfo not masked",
            runtimes,
            {"path.host_facts": "/sys/kernel/vmcoreinfo can be read"},
            spec=make(CRASH),
            base="masked",
            needs=CRASH,
        ),
    )


BASES: dict[tuple[str, str], Make] = {
    ("runc", "masked"): masked(),
    ("podman", "masked"): podman_masked(),
    **{(engine, "no raw, a filter"): flags("--cap-drop", "NET_RAW") for engine in ENGINES},
}

PLANTS = (
    *_unmasked(masked, RUNC),
    *_unmasked(podman_masked, PODMAN),
    *(
        Plant(
            f"{path} not in maskedPaths",
            RUNC,
            {check: f"{path} is there"},
            spec=edits(remove("linux.maskedPaths", path)),
            needs=path,
        )
        for path, check in (
            ("/proc/keys", "path.keys"),
            ("/proc/timer_list", "path.keys"),
            ("/sys/firmware", "path.firmware"),
        )
    ),
    *(
        Plant(
            f"unmask={path}",
            PODMAN,
            {check: f"{path} is there"},
            spec=flags("--security-opt", f"unmask={path}"),
            needs=path,
        )
        for path, check in (("/proc/keys", "path.keys"), ("/sys/firmware", "path.firmware"))
    ),
    *(
        Plant(
            f"{path} not in readonlyPaths",
            RUNC,
            {"path.bus_irq_fs": reason},
            spec=edits(remove("linux.readonlyPaths", path)),
            needs=path,
        )
        for path, reason in (
            ("/proc/bus", "/proc/bus"),
            ("/proc/fs", "/proc/fs is mounted writable"),
            ("/proc/irq", "/proc/irq/default_smp_affinity opens for writing"),
        )
    ),
    Plant(
        "CAP_SYSLOG granted",
        RUNC,
        {"cap.bounding": "SYSLOG", "cap.baseline": "SYSLOG", **SYSLOG},
        spec=edits(grant("bounding", "permitted", "effective", names=["SYSLOG"])),
    ),
    *(
        Plant(
            "--cap-add=SYSLOG",
            (engine,),
            {"cap.bounding": "SYSLOG", "cap.baseline": "SYSLOG", **SYSLOG},
            spec=flags("--cap-drop", "NET_RAW", "--cap-add", "SYSLOG"),
            base="no raw, a filter",
            # moby's profile then lets syslog(2) through, that of containers/common does not refuse it at all
            also=opened("seccomp.dangerous") if engine == "docker" else {},
        )
        for engine in ENGINES
    ),
    Plant(
        "/dev/kmsg, and CAP_SYSLOG to read it",
        RUNC,
        {"cap.bounding": "SYSLOG", "cap.baseline": "SYSLOG", "dev.nodes": "/dev/kmsg"}
        | SYSLOG
        | {"path.kmsg": "/dev/kmsg"},
        spec=edits(
            grant("bounding", "permitted", "effective", names=["SYSLOG"]),
            append("linux.devices", KMSG),
            append("linux.resources.devices", {"allow": True, "type": "c", "major": 1, "minor": 11, "access": "r"}),
        ),
    ),
    Plant(
        "debugfs mounted",
        RUNC,
        {"path.debugfs": "/sys/kernel/debug is there"},
        spec=edits(mounted("debugfs", "/sys/kernel/debug")),
        needs="/sys/kernel/debug",
    ),
    Plant(
        "-v /sys/kernel/debug:/sys/kernel/debug:ro",
        ENGINES,
        {"path.debugfs": "/sys/kernel/debug is there", "mnt.host_paths": "host's /sys/kernel/debug"},
        spec=flags("-v", "/sys/kernel/debug:/sys/kernel/debug:ro"),
        where="machine",
    ),
    Plant(
        "a hierarchy's root bound",
        RUNC,
        {
            "path.release_agent": "release_agent of /cg opens",
            "path.cgroup_ro": "cgroup.procs of /cg",
            "lim.cgroup_leave": "it may leave its cgroup: /cg/cgroup.procs",
            "mnt.host_paths": "/cg is the host's",
        },
        spec=edits(bind(V1, "/cg")),
        needs=f"{V1}/release_agent",
    ),
    Plant(
        f"-v {V1}:/cg",
        ENGINES,
        {
            "path.release_agent": "release_agent of /cg opens",
            "path.cgroup_ro": "cgroup.procs of /cg",
            "lim.cgroup_leave": "it may leave its cgroup: /cg/cgroup.procs",
            "mnt.host_paths": "/cg is the host's",
        },
        spec=flags("-v", f"{V1}:/cg"),
        needs=f"{V1}/release_agent",
    ),
    Plant(
        "--cgroupns=host -v /sys/fs/cgroup:/sys/fs/cgroup:rw",
        ENGINES,
        {
            "lim.cgroup_leave": "it may leave its cgroup: /sys/fs/cgroup",
            "path.cgroup_ro": "cgroup.procs of /sys/fs/cgroup",
            "mnt.host_paths": "host's /sys/fs/cgroup",
        },
        also={"path.release_agent": "open"} if Path(V1).exists() else {},
        # podman's own folder of cgroup v1 has no size and is declared read-only: this bind takes its place
        apart=("ns.cgroup", "lim.tmpfs", "run.as_declared"),
        spec=flags("--cgroupns=host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
    ),
    *(
        Plant(
            f"a filter that answers Landlock with {name}",
            RUNC,
            {"landlock.available": f"answers {name}"},
            spec=edits(put("linux.seccomp", profile(*LANDLOCK, errno=errno))),
            base="profile",
        )
        for name, errno in (("EPERM", 1), ("ENOSYS", 38))
    ),
    *(
        Plant(
            f"a filter that answers Landlock with {name}",
            ENGINES,
            {"landlock.available": f"answers {name}"},
            spec=profiled(errno),
            base="profile",
        )
        for name, errno in (("EPERM", 1), ("ENOSYS", 38))
    ),
    *(
        Plant(
            "started by one whose pages are offered for merging",
            runtimes,
            {"hw.ksm": "all its pages are offered for merging"},
            overlay=merging,
            needs="/sys/kernel/mm/ksm/run",
        )
        for runtimes in (RUNC, ("unshare",))
    ),
    # look-alikes
    Plant("a bpffs of its own", RUNC, spec=edits(mounted("bpf", "/sys/fs/bpf")), needs="/sys/fs/bpf"),
    Plant("/proc/key-users masked too", RUNC, spec=edits(append("linux.maskedPaths", "/proc/key-users"))),
    Plant(
        "its own release_agent and no root of a hierarchy", RUNC, spec=lambda ground: edits(bind(own(ground), "/cg"))
    ),
)


def own(ground: Ground) -> Path:
    """Make a folder of the test's own that looks like a hierarchy's root."""
    return ground.directory("cg", "release_agent", "cgroup.procs")
