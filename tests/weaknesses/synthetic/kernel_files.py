"""Synthetic weaknesses and look-alikes: kernel files that control the kernel, and files that must be hidden."""

from __future__ import annotations

from fact_parts import ABSENT, PROC, TMPFS, mount
from sound.kernel import SYSFS, file, folder
from weakness import Edit, Lookalike, grant, mounted, path, put, row, weak

from pytest_isolation.walls.filesystem.paths import KERNEL_MAGIC

READ = ("inside", "system", "kernel_state", "reads")


def shown(name: str, look: dict[str, object]) -> Edit:
    """Return the edit of a whole look at a path."""
    return put("inside", "system", "paths", name, to=look)


def both(*edits: Edit) -> Edit:
    """Return several edits as one."""

    def edit(document: dict[str, object]) -> None:
        for one in edits:
            one(document)

    return edit


def register(minor: int) -> Edit:
    """Return the edit that mounts binfmt_misc writable."""
    return both(
        mounted(mount("/binfmt", "binfmt_misc", minor)),
        shown("register:/binfmt", file(0x42494E4D, "ok")),
    )


WEAKNESSES = (
    *(
        weak("path.modprobe", f"{name} opens", shown(name, file(write="ok")), f"{name} opens for writing")
        for name in ("/proc/sys/kernel/modprobe", "/proc/sys/kernel/hotplug", "/sys/kernel/uevent_helper")
    ),
    weak("path.binfmt", "the host's, mounted again", register(62), "/binfmt/register opens for writing"),
    weak("path.binfmt", "without a user namespace", register(99), "/binfmt/register", record="docker"),
    weak(
        "path.binfmt",
        "it may mount",
        both(grant("outside", "effective", "SYS_ADMIN"), row("fsopen.no_such_fs", "ENODEV")),
        "fsopen.no_such_fs is not refused",
        *("cap.baseline", "cap.sys_admin", "kern.mount_api", "mnt.locked_ro", "path.release_agent"),
        record="podman",
    ),
    *(
        weak("path.bus_irq_fs", f"{name} opens", path(name, "write", "ok"), f"{name} opens for writing")
        for name in ("/proc/bus/pci/00/00.0", "/proc/irq/default_smp_affinity")
    ),
    weak(
        "path.bus_irq_fs",
        "/proc/fs not in readonlyPaths",
        path("/proc/fs", "read_only", False),
        "/proc/fs is mounted writable",
        record="docker",
    ),
    weak(
        "path.bus_irq_fs",
        "/proc/asound unmasked",
        shown("/proc/asound", folder(PROC, 4)),
        "/proc/asound is mounted writable",
        record="docker",
    ),
    *(
        weak("path.keys", f"{name} unmasked", shown(name, file()), f"{name} is there", *also)
        for name, also in (("/proc/keys", ("path.mask_real",)), ("/proc/timer_list", ()), ("/proc/sched_debug", ()))
    ),
    weak("path.interrupts", "docker before 28.0.2", shown("/proc/interrupts", file()), "/proc/interrupts is there"),
    weak(
        "path.interrupts",
        "thermal_throttle alone",
        shown("/sys/devices/system/cpu/cpu0/thermal_throttle", folder(SYSFS, 4, True)),
        "thermal_throttle is there",
    ),
    weak("path.powercap", "runc spec", shown("/sys/devices/virtual/powercap", folder(SYSFS, 2, True)), "is there"),
    weak(
        "path.powercap",
        "RAPL passed to a guest",
        shown("/sys/devices/virtual/powercap", folder(SYSFS, 2)),
        "is there in the guest",
        record="vm",
    ),
    weak(
        "path.firmware",
        "systempaths=unconfined",
        shown("/sys/firmware", folder(SYSFS, 2, True)),
        "/sys/firmware is there",
        "path.mask_real",  # the mount table still claims a mask
    ),
    weak("path.firmware", "/proc/acpi", shown("/proc/acpi", folder(PROC, 1, True)), "/proc/acpi is there"),
    weak(
        "path.firmware",
        "efivars",
        shown("/sys/firmware/efi/efivars", folder(KERNEL_MAGIC["efivarfs"], 9, True)),
        "efivars is there",
    ),
    weak(
        "path.firmware", "pstore", shown("/sys/fs/pstore", folder(KERNEL_MAGIC["pstore"], 1, True)), "pstore is there"
    ),
    weak(
        "path.kallsyms",
        "kptr_restrict=0 with CAP_SYSLOG",
        put("inside", "system", "kernel_state", "addresses", to=True),
        "shows the kernel's addresses",
    ),
    weak("path.kmsg", "--cap-add=SYSLOG", row("syslog.size_buffer", "ok"), "syslog(2) gives the host's kernel log"),
    weak("path.kmsg", "--device /dev/kmsg", row("kmsg.open", "ok"), "/dev/kmsg gives the host's kernel log"),
    *(
        weak(
            "path.debugfs",
            f"the host's {name}",
            shown(name, folder(KERNEL_MAGIC[fstype], 4, True)),
            f"{name} is there, with something in it",
        )
        for name, fstype in (
            ("/sys/kernel/debug", "debugfs"),
            ("/sys/kernel/tracing", "tracefs"),
            ("/sys/kernel/security", "securityfs"),
            ("/sys/fs/bpf", "bpf"),
        )
    ),
    weak("path.debugfs", "debugfs elsewhere", mounted(mount("/d", "debugfs", 70)), "/d is there"),
    *(
        weak(
            "path.host_facts",
            f"{name} readable",
            put(*READ, name, to={"result": "ok", "fstype": fstype, "bytes": 40}),
            f"{name} can be read",
        )
        for name, fstype in (
            ("/proc/cmdline", PROC),
            ("/proc/modules", PROC),
            ("/sys/class/dmi/id/product_serial", SYSFS),
            ("/sys/class/thermal/thermal_zone0/temp", SYSFS),
            ("/sys/kernel/vmcoreinfo", SYSFS),
        )
    ),
)

LOOKALIKES = (
    Lookalike("a mask over modprobe that opens", "container", shown("/proc/sys/kernel/modprobe", dict(ABSENT))),
    Lookalike("a binfmt_misc of its own (Linux 6.7)", "container", register(99)),
    Lookalike(
        "it may mount in a user namespace of its own",
        "container",
        row("fsopen.no_such_fs", "ENODEV"),
        (("kern.mount_api", "open"), ("mnt.locked_ro", "open")),
    ),
    Lookalike("a writable /proc/fs that file modes keep", "container", path("/proc/fs", "read_only", False)),
    Lookalike(
        "a label keeps what no mount does",
        "docker",
        both(
            path("/proc/fs", "read_only", False),
            shown("/proc/irq/default_smp_affinity", file(write="EACCES")),
        ),
    ),
    Lookalike("key-users, which no list masks", "container", shown("/proc/key-users", file(TMPFS))),
    Lookalike("/proc/interrupts of lxcfs", "container", shown("/proc/interrupts", file(0x65735546))),
    Lookalike("an empty thermal_throttle", "container", shown("/sys/fs/pstore", folder(KERNEL_MAGIC["pstore"], 0))),
    Lookalike("a folder of its own for /sys/firmware/efi/efivars", "container", shown("/proc/acpi", folder(0xEF53, 3))),
    Lookalike(
        "a debugfs that refuses to be listed",
        "container",
        shown(
            "/sys/kernel/debug",
            folder(KERNEL_MAGIC["debugfs"], 0) | {"entries": {"unobserved": "EACCES", "why": "list /sys/kernel/debug"}},
        ),
    ),
    Lookalike("a bpffs of its own", "container", mounted(mount("/bpf", "bpf", 71))),
    Lookalike("a /dev/kmsg that its cgroup refuses", "container", row("kmsg.open", "EPERM")),
    Lookalike(
        "a command line of its own",
        "container",
        put(*READ, "/proc/cmdline", to={"result": "ok", "fstype": 0x65735546, "bytes": 40}),
    ),
    Lookalike(
        "a folder whose entries nobody could count",
        "container",
        shown(
            "/sys/kernel/debug",
            folder(KERNEL_MAGIC["debugfs"], 0) | {"entries": {"unobserved": "EIO", "why": "list /sys/kernel/debug"}},
        ),
        (("path.debugfs", "unknown"),),
    ),
)
