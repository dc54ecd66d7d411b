"""Plants of kernel files at other places: procfs, sysfs or a part of them, mounted again or bound."""

from __future__ import annotations

from ground import Edit, append, bind
from plant import Plant, edits, flags

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


PLANTS = (
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
