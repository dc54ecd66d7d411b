"""Plants for runc: kernel files, devices and mounts, by edits of `runc spec`'s config.json."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ground import Ground
from oci_edits import append, bind, mount_option, put, remove
from plant import PROC_SYS, Plant, edits

RUNC = ("runc", "crun")
# what they declare read-only and leave writable on v1 is then declared writable
DECLARED_ON_V1 = {"run.as_declared": "holds"} if Path("/sys/fs/cgroup/pids/cgroup.procs").exists() else {}


def loop_node(ground: Ground) -> tuple[Callable[[dict[str, Any]], None], ...]:
    """Return the edits that add a loop device of the test's own, and the right to read it."""
    minor = int(ground.loop_device().removeprefix("/dev/loop"))
    node = {"path": "/dev/disk", "type": "b", "major": 7, "minor": minor, "fileMode": 384, "uid": 0, "gid": 0}
    rule = {"allow": True, "type": "b", "major": 7, "minor": minor, "access": "r"}
    return append("linux.devices", node), append("linux.resources.devices", rule)


PLANTS = (
    # kernel files
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
        ("runc",),  # crun masks with the host's /dev/null, opened before
        {"path.mask_real": "a char, not the null device", "dev.nodes": "/dev/null"},
        spec=edits(bind("/dev/zero", "/dev/null", "ro")),
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
        apart=("lim.tmpfs",),  # it has no size either; runc's own at /sys/fs/cgroup has none on cgroup v1
        spec=edits(
            remove("linux.maskedPaths", "/sys/firmware"),
            append("mounts", {"destination": "/sys/firmware", "type": "tmpfs", "source": "tmpfs", "options": []}),
        ),
        needs="/sys/firmware",
    ),
    Plant("/sys mounted writable", RUNC, {"path.sys_ro": "writable"}, spec=edits(mount_option("/sys", remove="ro"))),
    Plant(
        "cgroups mounted writable",
        RUNC,
        {
            "path.cgroup_ro": "cgroup.procs of /sys/fs/cgroup",
            "lim.cgroup_leave": "it may raise its own limits: /sys/fs",
        },
        DECLARED_ON_V1,
        spec=edits(mount_option("/sys/fs/cgroup", remove="ro")),
    ),
    # devices
    Plant(
        "a strange node",
        RUNC,
        {"dev.nodes": "/dev/other"},
        spec=edits(
            append("linux.devices", {"path": "/dev/other", "type": "c", "major": 1, "minor": 5, "fileMode": 438})
        ),
    ),
    Plant(
        "a loop device",
        RUNC,
        {"dev.nodes": "/dev/disk", "dev.block": "/dev/disk opens for reading"},
        spec=lambda ground: edits(*loop_node(ground)),
        needs="/dev/loop-control",
    ),
    # mounts and descriptors
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
        "a shared bind",
        ("runc",),  # crun is started in a mount namespace of its own where cgroup v2 is beside v1
        {"mnt.propagation": "/d is in a peer group of the host's"},
        spec=lambda ground: edits(
            put("linux.rootfsPropagation", "rshared"), bind(ground.shared_folder(), "/d", "rshared")
        ),
    ),
)
