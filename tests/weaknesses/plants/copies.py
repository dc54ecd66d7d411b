"""Plants of kernel files at other places: procfs, sysfs or a part of them, mounted again or bound."""

from __future__ import annotations

import os

from oci_edits import Edit, append, bind, grant
from plant import Make, Plant, edits, flags

RUNC, ENGINES = ("runc", "crun"), ("docker", "podman")
PATTERN = "/proc/sys/kernel/core_pattern"


def again(fstype: str, target: str, *options: str) -> Edit:
    """Return the edit that mounts a kernel file system at a further place."""
    return append("mounts", {"destination": target, "type": fstype, "source": fstype, "options": list(options)})


def below(target: str) -> dict[str, str]:
    """Return the checks that an unmasked procfs at `target` opens, each with the name that its cause holds."""
    causes = {
        "path.proc_sys": "/sys/vm/panic_on_oom",
        "path.core_pattern": "/sys/kernel/core_pattern opens",
        "path.modprobe": "/sys/kernel/modprobe",
        "path.sysrq": "/sysrq-trigger opens",
        "path.keys": "/keys",
        "path.bus_irq_fs": "/irq/default_smp_affinity opens",
    }
    return {check: f"{target}{cause}" for check, cause in causes.items()}


MASKED = ("/proc/cmdline", "/proc/config.gz", "/proc/modules", "/proc/kallsyms", "/sys/kernel/vmcoreinfo")
BASES: dict[tuple[str, str], Make] = {
    **{(runtime, "described nowhere"): edits(append("linux.maskedPaths", *MASKED)) for runtime in RUNC},
    **{
        (runtime, "may read symbols"): edits(
            append("linux.maskedPaths", "/proc/kallsyms"),
            grant("bounding", "permitted", "effective", names=["SYSLOG"]),
        )
        for runtime in RUNC
    },
}


def with_procfs(runtime_base: str, target: str, *options: str) -> Make:
    """Return a base with a second procfs."""
    return lambda ground: edits(
        *BASES[ground.runtime.name, runtime_base]["edits"],  # type: ignore[index]  # these bases are mappings
        again("proc", target, *options),
    )


PLANTS = (
    Plant(
        "the command line in a second procfs",
        RUNC,
        {"path.host_facts": "/opt/p/cmdline", "path.keys": "/opt/p/keys"},
        spec=with_procfs("described nowhere", "/opt/p", "ro"),
        base="described nowhere",
    ),
    Plant(
        "symbols in a second procfs",
        RUNC,
        {"path.kallsyms": "/opt/p/kallsyms shows the kernel's addresses", "path.keys": "/opt/p/keys"},
        spec=with_procfs("may read symbols", "/opt/p", "ro"),
        base="may read symbols",
    ),
    Plant(
        "a mask that is a file, in a second procfs",
        RUNC,
        {"path.mask_real": "the mask over /opt/p/keys is a file", "path.keys": "/opt/p/timer_list"},
        spec=lambda ground: edits(again("proc", "/opt/p", "ro"), bind(ground.file("mask"), "/opt/p/keys", "ro")),
    ),
    Plant(
        "the host's /proc/fs at another place",
        RUNC,
        {"path.bus_irq_fs": "/opt/fs is mounted writable", "mnt.host_paths": "/opt/fs is the host's /proc/fs"},
        spec=edits(bind("/proc/fs", "/opt/fs")),
        needs="/proc/fs",
    ),
    Plant(
        "the host's /proc at another place",
        RUNC,
        {
            "ns.pid.procfs": "/opt/hostproc shows the host's processes",
            "mnt.host_paths": "/opt/hostproc is the host's /proc",
            "path.keys": "/opt/hostproc/keys",
        },
        spec=edits(bind("/proc", "/opt/hostproc", "ro")),
    ),
    Plant(
        "one process of the host's",
        RUNC,
        {
            "ns.pid.procfs": "/opt/one shows the host's processes",
            "mnt.host_paths": f"/opt/one is the host's /proc/{os.getpid()}",
        },
        spec=edits(bind(f"/proc/{os.getpid()}", "/opt/one", "ro")),
    ),
    Plant(
        "-v /proc:/hostproc:ro",
        ENGINES,
        {
            "ns.pid.procfs": "/hostproc shows the host's processes",
            "mnt.host_paths": "/hostproc is the host's /proc",
            "path.keys": "/hostproc/keys",
        },
        spec=flags("-v", "/proc:/hostproc:ro"),
    ),
    Plant("a second procfs", RUNC, below("/opt/p"), spec=edits(again("proc", "/opt/p"))),
    Plant("a procfs below a strange name", RUNC, below("/srv/a b/c"), spec=edits(again("proc", "/srv/a b/c"))),
    Plant(
        "a part of the host's sysfs, writable",
        RUNC,
        {
            "path.sys_ro": "/opt/cpus is a sysfs that is mounted writable",
            "mnt.host_paths": "/opt/cpus is the host's /sys/devices/system/cpu",
        },
        spec=edits(bind("/sys/devices/system/cpu", "/opt/cpus")),
    ),
    Plant(
        "a second sysfs without masks",
        RUNC,
        {"path.firmware": "/opt/s/firmware is there"},
        spec=edits(again("sysfs", "/opt/s", "ro", "nosuid")),
        needs="/sys/firmware",
    ),
    Plant(
        "core_pattern bound as a file",
        RUNC,
        {
            "path.core_pattern": "/etc/pattern opens for writing",
            "mnt.host_paths": f"/etc/pattern is the host's {PATTERN}",
        },
        spec=edits(bind(PATTERN, "/etc/pattern")),
    ),
    Plant(
        "-v /proc/sys:/opt/settings",
        ENGINES,
        {
            "path.proc_sys": "/opt/settings/vm/panic_on_oom",
            "path.core_pattern": "/opt/settings/kernel/core_pattern opens",
            "path.modprobe": "/opt/settings/kernel/modprobe opens",
            "mnt.host_paths": "/opt/settings is the host's /proc/sys",
        },
        spec=flags("-v", "/proc/sys:/opt/settings"),
    ),
    # look-alikes
    Plant(
        "a second sysfs, masked as the first",
        RUNC,
        spec=edits(again("sysfs", "/opt/s", "ro", "nosuid"), append("linux.maskedPaths", "/opt/s/firmware")),
    ),
    Plant(
        "a harmless part of procfs at a further place",
        RUNC,
        {"mnt.host_paths": "/opt/version is the host's /proc/version"},
        spec=edits(bind("/proc/version", "/opt/version", "ro")),
    ),
)
