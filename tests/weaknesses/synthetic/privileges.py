"""Synthetic weaknesses and look-alikes: single capabilities, kernel interfaces, clocks."""

from __future__ import annotations

from weakness import Lookalike, Weakness, add, grant, node, proc, put, row, weak

from pytest_isolation.walls.privileged_calls import BPF_ROWS, CLOCK_ROWS, MOUNT_ROWS, PASSED, SWAP_ROWS


def held(check: str, name: str, *also: str) -> Weakness:
    """Return the weakness of one capability over the host, which the baseline does not list."""
    edit = grant("outside", "effective", name)
    return weak(check, f"--cap-add={name}", edit, f"{name}", "cap.baseline", *also, record="podman")


def passes(check: str, *rows: str) -> tuple[Weakness, ...]:
    """Return one weakness for each row whose answer comes after the check of privilege."""
    return tuple(
        weak(check, f"{name} answers {answer}", row(name, answer), name, *also(check, name))
        for name in rows
        for answer in sorted(PASSED[name])[:1]
    )


def also(check: str, name: str) -> tuple[str, ...]:
    """Return the other checks that look at the same row."""
    return tuple(other for other, names in SHARED.items() if name in names and other != check)


SHARED = {"cap.sys_admin": ("bpf.prog_get_next_id",), "mnt.locked_ro": ("fsopen.no_such_fs",)}

WEAKNESSES = (
    weak("cap.restricted", "a default set", grant("outside", "bounding", "CHOWN"), "also holds CHOWN"),
    held("cap.sys_ptrace", "SYS_PTRACE"),
    held("cap.net_admin", "NET_ADMIN"),
    held("cap.dac_read_search", "DAC_READ_SEARCH"),
    held("cap.rawio_boot_time", "SYS_RAWIO"),
    held("cap.rawio_boot_time", "SYS_BOOT"),
    held("cap.rawio_boot_time", "SYS_TIME"),
    held("cap.bpf_perfmon", "BPF"),
    held("cap.bpf_perfmon", "PERFMON"),
    held("cap.bpf_perfmon", "SYSLOG"),
    weak("cap.mknod", "--cap-add=MKNOD", grant("outside", "effective", "MKNOD"), "CAP_MKNOD", record="podman"),
    weak("cap.ambient", "CVE-2022-24769", grant("outside", "inheritable", "CHOWN"), "CHOWN"),
    weak("cap.ambient", "ambient", grant("outside", "ambient", "CHOWN"), "CHOWN"),
    weak("nnp.setuid", "a volume without nosuid", proc("outside", "no_new_privs", 0), "setuid", "nnp.set"),
    *passes("kern.bpf", *BPF_ROWS),
    *passes("kern.perf", "perf.software_bad_config"),
    *passes("kern.userfaultfd", "userfaultfd.kernel_bad_flag"),
    *passes("kern.io_uring", "io_uring.setup_null"),
    *passes("kern.kexec_reboot", "kexec_load.bad_flags"),
    *passes("kern.mount_api", *MOUNT_ROWS),
    *passes("kern.swap_acct_quota", *SWAP_ROWS),
    *passes("kern.fanotify", "fanotify.bad_flag"),
    *passes("kern.rt_sched", "sched.fifo"),
    *passes("time.set", *CLOCK_ROWS),
    weak(
        "time.rtc",
        "--device /dev/rtc0",
        add("inside", "system", "devices", item=node("/dev/rtc0", "char", 254, 0)),
        "/dev/rtc0",
        "dev.nodes",
    ),
)

LOOKALIKES = (
    Lookalike("AppArmor knows no such file system", "container", row("mount.no_such_fs", "ENODEV")),
    Lookalike("reboot in its own pid namespace", "container", row("reboot.bad_magic", "EINVAL")),
    Lookalike("io_uring refused with ENOSYS", "container", row("io_uring.setup_null", "ENOSYS")),
    Lookalike("a bad command of bpf", "container", row("kexec_load.bad_flags", "ENOSYS")),
    Lookalike(
        "a kernel without io_uring",
        "container",
        put("host", "system", "tries", "io_uring.setup_null", "result", to="ENOSYS"),
        (("kern.io_uring", "not_applicable"),),
    ),
    Lookalike("fewer than documented, in effect", "container", grant("outside", "permitted", "NET_BIND_SERVICE")),
)
