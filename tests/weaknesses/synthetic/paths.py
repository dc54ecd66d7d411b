"""Synthetic weaknesses and look-alikes: paths."""

from __future__ import annotations

from fact_parts import ABSENT, TMPFS, mount
from weakness import FIFO, KERNEL_FILE, Lookalike, mounted, path, put, weak

WEAKNESSES = (
    weak(
        "path.proc_sys",
        "systempaths=unconfined",
        path("/proc/sys/vm/panic_on_oom", "write", "ok"),
        "panic_on_oom opens for writing",
    ),
    weak(
        "path.core_pattern",
        "--privileged",
        path("/proc/sys/kernel/core_pattern", "write", "ok"),
        "core_pattern opens for writing",
    ),
    weak("path.sysrq", "dropped from readonlyPaths", path("/proc/sysrq-trigger", "write", "ok"), "sysrq-trigger"),
    weak(
        "path.kcore",
        "unmask=/proc/kcore",
        put("inside", "system", "paths", "/proc/kcore", to=dict(KERNEL_FILE)),
        "an image of the kernel's memory",
        "path.mask_real",  # the mount table still claims a mask
    ),
    weak("path.mask_real", "/dev/null a file", path("/proc/keys", "type", "file"), "a file, not the null device"),
    weak("path.mask_real", "a link", path("/proc/keys", "type", "symlink"), "a symlink, not the null device"),
    weak("path.mask_real", "another device", path("/proc/keys", "rdev", [1, 1]), "a char, not the null device"),
    weak("path.mask_real", "a full tmpfs", path("/sys/firmware", "entries", 3), "a tmpfs with 3 entries"),
    weak("path.mask_real", "a writable tmpfs", path("/sys/firmware", "read_only", False), "a writable tmpfs"),
    weak(
        "path.mask_real",
        "a mask of ext4 that was not looked at",
        mounted(mount("/sys/devices/system/cpu/cpu1/thermal_throttle", "overlay", 90, root="/x")),
        "/sys/devices/system/cpu/cpu1/thermal_throttle is a mount of overlay",
    ),
    weak("path.sys_ro", "-v /sys:/sys", path("/sys", "read_only", False), "/sys is mounted writable"),
    weak(
        "path.cgroup_ro",
        "--systemd=always",
        path("cgroup.procs:/sys/fs/cgroup", "write", "ok"),
        "cgroup.procs of /sys/fs/cgroup",
    ),
    weak(
        "path.release_agent",
        "CVE-2022-0492",
        put("inside", "system", "paths", "release_agent:/sys/fs/cgroup/rdma", to=KERNEL_FILE | {"write": "ok"}),
        "release_agent of /sys/fs/cgroup/rdma",
    ),
)

LOOKALIKES = (
    Lookalike(
        "a mask opens for writing",
        "container",
        put(
            "inside",
            "system",
            "paths",
            "/proc/sysrq-trigger",
            to={"type": "char", "rdev": [1, 3], "fstype": TMPFS, "read_only": False, "entries": None, "write": "ok"},
        ),
    ),
    Lookalike(
        "absent instead of read-only",
        "container",
        put("inside", "system", "paths", "/proc/sys/kernel/core_pattern", to=dict(ABSENT)),
    ),
    Lookalike("refused by ids alone", "container", path("/proc/sys/vm/panic_on_oom", "write", "EACCES")),
    Lookalike(
        "a private fifo for a mask (nspawn)", "container", put("inside", "system", "paths", "/proc/keys", to=dict(FIFO))
    ),
    Lookalike("/proc/kcore absent", "container", put("inside", "system", "paths", "/proc/kcore", to=dict(ABSENT))),
    Lookalike(
        "an empty writable /sys",
        "container",
        put("inside", "system", "paths", "/sys", to=KERNEL_FILE | {"type": "dir", "entries": 0}),
    ),
    Lookalike("lxcfs over /proc/meminfo", "container", mounted(mount("/proc/meminfo", "fuse.lxcfs", 91))),
    Lookalike(
        "a made-up boot id bound in",
        "container",
        mounted(mount("/proc/sys/kernel/random/boot_id", "tmpfs", 92, root="/x")),
    ),
    Lookalike(
        "a mask that was not looked at",
        "container",
        mounted(mount("/sys/devices/system/cpu/cpu1/thermal_throttle", "devtmpfs", 5, root="/null")),
    ),
)
