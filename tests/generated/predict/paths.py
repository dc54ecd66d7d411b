"""The kernel's own files: /proc, /sys and cgroups."""

from __future__ import annotations

from pathlib import Path

from world import World

from predict.filters import may_mount
from predict.rules import HOLDS, NOT_APPLICABLE, Rule, open_if, opened_if

HAS_V1 = " - cgroup " in Path("/proc/self/mountinfo").read_text()


def masks(world: World) -> str:
    return HOLDS if world.masks else NOT_APPLICABLE


def exists(*paths: str) -> bool:
    """Whether this kernel has any of the files."""
    return any(Path(path).exists() for path in paths)


def fills(path: str) -> bool:
    """Whether this kernel has something in the folder."""
    return Path(path).is_dir() and any(Path(path).iterdir())


def sets_kernel(world: World) -> bool:
    """sysctl(5): the host's root alone writes /proc/sys, in any procfs, whatever its capabilities."""
    return world.host_root and (not world.kept_read_only("/proc/sys") or bool(world.drawn("proc", mode="rw")))


def writes_sysfs(world: World) -> bool:
    """
    Whether /sys or a drawn sysfs is writable.

    A network namespace has one sysfs superblock, which is read-only if the first mount(2) asks for it
    (sysfs_get_tree(), sget_fc()): runc does, crun mounts it writable and remounts the mount.
    """
    locked = world.runtime == "runc" and world.has("network")
    return not world.read_only("/sys") or (bool(world.drawn("sysfs", mode="rw")) and not locked)


RULES: dict[str, Rule] = {
    "path.proc_sys": open_if(sets_kernel),
    "path.core_pattern": open_if(sets_kernel),
    "path.modprobe": opened_if(lambda world: sets_kernel(world) and exists("/proc/sys/kernel/modprobe")),
    "path.sysrq": opened_if(
        lambda world: world.host_root and bool(world.drawn("proc", mode="rw")) and exists("/proc/sysrq-trigger")
    ),
    "path.kcore": opened_if(lambda world: bool(world.drawn("proc")) and exists("/proc/kcore")),
    "path.interrupts": opened_if(lambda world: bool(world.drawn("proc")) and exists("/proc/interrupts")),
    "path.powercap": opened_if(lambda world: bool(world.drawn("sysfs")) and exists("/sys/devices/virtual/powercap")),
    "path.mask_real": masks,
    "path.sys_ro": open_if(writes_sysfs),
    # of cgroup v1 the runtimes leave the folder writable that is declared read-only
    **({"run.as_declared": open_if(lambda world: world.read_only("/sys/fs/cgroup"))} if HAS_V1 else {}),
    # no cgroup above its own is mounted: cgroup.procs of its own moves nothing, its limits may be raised
    **dict.fromkeys(
        ("path.cgroup_ro", "lim.cgroup_leave"),
        open_if(lambda world: not world.read_only("/sys/fs/cgroup") and world.opens_roots_files),
    ),
    "path.binfmt": open_if(lambda world: "SYS_ADMIN" in world.over_host and may_mount(world)),
    # cgroups(7): the root of a hierarchy of version 1, which only such a host has, holds release_agent
    **(
        {"path.release_agent": open_if(lambda world: "SYS_ADMIN" in world.over_host and may_mount(world))}
        if HAS_V1
        else {}
    ),
    "path.bus_irq_fs": open_if(
        lambda world: (
            world.opens_roots_files
            and (
                not all(map(world.kept_read_only, ("/proc/bus", "/proc/fs", "/proc/irq")))
                or bool(world.drawn("proc", mode="rw"))
            )
        )
    ),
    # syslog(2), proc(5) of kallsyms: CAP_SYSLOG in the initial user namespace
    "path.kmsg": opened_if(lambda world: "SYSLOG" in world.over_host and not world.refused("syslog")),
    "path.kallsyms": opened_if(lambda world: "SYSLOG" in world.over_host),
    "path.firmware": open_if(
        lambda world: (
            world.shows("/sys/firmware")
            or (bool(world.drawn("sysfs")) and fills("/sys/firmware"))
            or (bool(world.drawn("proc")) and fills("/proc/acpi"))
        )
    ),
    "path.keys": open_if(
        lambda world: (
            world.shows("/proc/keys")
            or world.shows("/proc/timer_list")
            or (bool(world.drawn("proc")) and exists("/proc/keys", "/proc/timer_list"))
        )
    ),
}
