"""Synthetic weaknesses and look-alikes: kernel files at further mounts of procfs and sysfs."""

from __future__ import annotations

from facts_factory import ABSENT, Dict, mount
from weakness import KERNEL_FILE, Edit, Lookalike, mounted, weak

from pytest_isolation.walls.filesystem.copies import PLACES

PATTERN = "/proc/sys/kernel/core_pattern"
WRITABLE = KERNEL_FILE | {"write": "ok"}


def again(line: Dict, **files: Dict) -> Edit:
    """Return the edit that mounts procfs or sysfs at a further place, with these files, by the names below it."""

    def edit(document: Dict) -> None:
        mounted(line)(document)
        place = PLACES[line["fstype"]] + line["root"].rstrip("/")
        paths = document["inside"]["system"]["paths"]
        names = [path.removeprefix(place) for path in paths if path == place or path.startswith(f"{place}/")]
        paths |= {line["target"] + name: dict(ABSENT) for name in names}
        paths |= {line["target"] + name: file for name, file in files.items()}

    return edit


def named(name: str, file: Dict) -> Edit:
    """Return the edit that mounts a second procfs with one file."""
    return again(mount("/opt/p", "proc", 130), **{name: file})


WEAKNESSES = (
    *(
        weak(check, "a second procfs", named(name, file), f"/opt/p{name} {cause}")
        for check, name, file, cause in (
            ("path.core_pattern", "/sys/kernel/core_pattern", WRITABLE, "opens for writing"),
            ("path.proc_sys", "/sys/kernel/panic", WRITABLE, "opens for writing"),
            ("path.modprobe", "/sys/kernel/modprobe", WRITABLE, "opens for writing"),
            ("path.sysrq", "/sysrq-trigger", WRITABLE, "opens for writing"),
            ("path.bus_irq_fs", "/irq/default_smp_affinity", WRITABLE, "opens for writing"),
            ("path.kcore", "/kcore", dict(KERNEL_FILE), "is there"),
            ("path.keys", "/timer_list", dict(KERNEL_FILE), "is there"),
        )
    ),
    weak(
        "path.core_pattern",
        "one file bound",
        again(mount("/etc/pattern", "proc", 20, root="/sys/kernel/core_pattern"), **{"": WRITABLE}),
        "/etc/pattern opens for writing",
        "mnt.host_paths",
    ),
    weak(
        "path.core_pattern",
        "a second procfs that was not looked at",
        mounted(mount("/opt/p", "proc", 130)),
        "/opt/p/sys/kernel/core_pattern",
        *("path.proc_sys", "path.modprobe", "path.sysrq", "path.kcore", "path.keys", "path.bus_irq_fs"),
        *("path.interrupts", "path.firmware"),
        verdict="unknown",
    ),
    weak(
        "path.sys_ro",
        "a second sysfs",
        again(mount("/opt/s", "sysfs", 131)),
        "/opt/s is a sysfs that is mounted writable",
    ),
    weak(
        "path.sys_ro",
        "a writable part below /sys",
        mounted(mount("/sys/kernel", "sysfs", 123, root="/kernel")),
        "/sys/kernel is a sysfs that is mounted writable",
    ),
)

LOOKALIKES = (
    Lookalike(
        "a second procfs that refuses",
        "container",
        named("/sys/kernel/core_pattern", KERNEL_FILE | {"write": "EACCES"}),
    ),
    Lookalike("a second sysfs, read-only", "container", again(mount("/opt/s", "sysfs", 131, options=["ro"]))),
    Lookalike(
        "the devices of its own network (LXC, sys:mixed)",
        "container",
        mounted(mount("/sys/devices/virtual/net", "sysfs", 123, root="/devices/virtual/net")),
    ),
    Lookalike("a read-only part at its own place", "container", mounted(mount("/proc/bus", "proc", 120, root="/bus"))),
)
