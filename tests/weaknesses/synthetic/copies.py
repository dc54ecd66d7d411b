"""Synthetic weaknesses and look-alikes: kernel files at further mounts of procfs and sysfs."""

from __future__ import annotations

from fact_parts import ABSENT, PROC, TMPFS, Dict, mount
from weakness import KERNEL_FILE, Edit, Lookalike, add, mounted, put, weak

from pytest_isolation.walls.filesystem.copies import PLACES

PATTERN = "/proc/sys/kernel/core_pattern"
WRITABLE = KERNEL_FILE | {"write": "ok"}
FOLDER = KERNEL_FILE | {"type": "dir", "entries": 3}
STATE = ("inside", "system", "kernel_state")
READ = {"result": "ok", "fstype": PROC, "bytes": 99}
QUEUES = mount("/dev/mqueue", "mqueue", 142)


def both(*edits: Edit) -> Edit:
    """Return the edit that makes all of them."""

    def edit(document: Dict) -> None:
        for one in edits:
            one(document)

    return edit


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


def below_its_own(document: Dict) -> None:
    """Bind the host's /proc first, and stack the sandbox's own procfs on it."""
    for view in ("inside", "outside"):
        mounts = document[view]["process"]["mounts"]
        at, own = next((at, one) for at, one in enumerate(mounts) if one["target"] == "/proc")
        lower = {**own, "id": 7000, "minor": 20}
        mounts[at : at + 1] = [lower, {**own, "parent": 7000}]


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
        "path.kallsyms",
        "a second procfs",
        both(named("/kallsyms", dict(KERNEL_FILE)), put(*STATE, "addresses_at", to=["/opt/p/kallsyms"])),
        "/opt/p/kallsyms shows the kernel's addresses",
    ),
    weak(
        "path.host_facts",
        "a second procfs",
        both(named("/cmdline", dict(KERNEL_FILE)), put(*STATE, "reads", "/opt/p/cmdline", to=READ)),
        "/opt/p/cmdline can be read",
    ),
    weak(
        "path.mask_real",
        "a mask in a second procfs",
        both(
            named("/timer_stats", KERNEL_FILE | {"fstype": TMPFS}),
            mounted(mount("/opt/p/timer_stats", "ext4", 1, root="/srv/x", major=8)),
        ),
        "the mask over /opt/p/timer_stats is a file",
    ),
    weak(
        "path.bus_irq_fs",
        "a writable folder in a second procfs",
        named("/fs", FOLDER),
        "/opt/p/fs is mounted writable",
        record="docker",
    ),
    weak(
        "lsm.writes",
        "a second procfs, which its label does not name",
        named("/mtrr", WRITABLE),
        "/opt/p/mtrr be opened",
        record="docker",
    ),
    *(
        weak(
            "ns.pid.procfs",
            f"the host's /proc{root} at another place",
            again(mount("/h", "proc", 20, root=root)),
            "/h shows the host's processes",
            "mnt.host_paths",
        )
        for root in ("/", "/1")
    ),
    weak(  # no path leads to it, so ns.pid.procfs holds
        "mnt.host_paths",
        "the host's /proc below its own (bwrap --ro-bind / / --proc /proc)",
        below_its_own,
        "/proc is the host's /proc",
    ),
    weak(
        "dev.shm",
        "the host's mqueue at another place",
        both(add("host", "process", "mounts", item=QUEUES), mounted(QUEUES | {"target": "/opt/q"})),
        "/opt/q is the host's mqueue",
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
