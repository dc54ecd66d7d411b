"""What each check must say of a configuration, derived only from the runtime-spec and man pages.

In: a World.  Out: the verdicts that the configuration decides, by check id.
A check without a rule must be as in the runtime's stock configuration.
`EXPLAINED` holds the known deviations of runtimes, each with its reason.
"""

from __future__ import annotations

import errno
import grp
import socket
from collections.abc import Callable
from pathlib import Path

from world import KERNEL, World

HAS_V1 = " - cgroup " in Path("/proc/self/mountinfo").read_text()
HOLDS, OPEN, NOT_APPLICABLE = "holds", "open", "not_applicable"
# Kubernetes Pod Security Standards, "Capabilities" of the profile baseline
PSS_BASELINE = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE", "SETFCAP"),
        *("SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)
# credentials(7): groups that open files of the host, by this host's names; 0 is user.root_mapped's
PRIVILEGED = ("disk", "kmem", "shadow", "sudo", "wheel", "adm", "systemd-journal", "kvm", "docker")
PRIVILEGED_GIDS = [one.gr_gid for one in grp.getgrall() if one.gr_name in PRIVILEGED]
# what `runc spec` and `crun spec` write
STOCK_BOUNDING = frozenset({"AUDIT_WRITE", "KILL", "NET_BIND_SERVICE"})

# ptrace(2), "Ptrace access mode checking": the host's process holds more capabilities, so that root alone may not, and
# the peer holds the stock ones;
# mm_access() of Linux's kernel/fork.c: from 6.15 on who may profile (CAP_PERFMON, which CAP_SYS_ADMIN includes) reads
TRACES = frozenset({"SYS_PTRACE", *(("PERFMON", "SYS_ADMIN") if KERNEL >= (6, 15) else ())})

Rule = Callable[[World], str | None]


def open_if(wrong: Callable[[World], bool]) -> Rule:
    """Return a rule: open if the condition is true, holds otherwise."""
    return lambda world: OPEN if wrong(world) else HOLDS


def opened_if(wrong: Callable[[World], bool]) -> Rule:
    """Return a rule: open if the condition is true, as in the stock configuration otherwise."""
    return lambda world: OPEN if wrong(world) else None


def lacks(kind: str) -> Rule:
    """Return a rule: open without an own namespace of this kind."""
    return open_if(lambda world: not world.has(kind))


def masks(world: World) -> str:
    return HOLDS if world.masks else NOT_APPLICABLE


def spreads(world: World) -> bool:
    """
    mount_namespaces(7): a bind that is made shared joins the peer group of its source, if its mount namespace has it.

    In a mount namespace of another user namespace shared mounts become slaves ("Restrictions on mount namespaces").
    """
    shared = bool(world.bound("/spread")) and "rshared" in world.mount("/spread")["options"]
    return shared and not world.has("user") and not world.private


HOSTS = ("/etc", "/etc/passwd", "/usr/bin", "/var/log", "/var/lib/dpkg")  # hier(7): the host's own
PUBLIC = ("/etc/hosts", "/etc/ssl/certs", "/usr/share/zoneinfo")  # every image may hold the same


def leads_to_host(world: World) -> bool:
    """
    Whether a drawn mount shows what the host uses itself: a bind, an overlay over it (overlayfs.rst).

    A sysfs in the host's own network namespace is the host's.  A procfs is an instance of its own since Linux 5.8
    (proc.rst), whichever pid namespace it shows: ns.pid.procfs judges that.
    """
    layers = [part for one in world.drawn("overlay") for part in one["options"][0].partition("=")[2].split(":")]
    binds = [one["source"] for one in world.drawn("bind")]
    writable = [one["source"] for one in world.drawn("bind", mode="rw")]
    return bool({*layers, *binds} & {*HOSTS} or {*writable} & {*PUBLIC}) or (
        bool(world.drawn("sysfs")) and not world.has("network")
    )


def binds_files(world: World) -> bool:
    """Whether a writable bind of files is drawn, with nothing mounted over it; nodes of devtmpfs are no files."""
    over = {one["destination"] for one in world.drawn("proc", "sysfs")}
    return any(
        one["destination"] not in over and not one["source"].startswith("/dev/")
        for one in world.drawn("bind", mode="rw")
    )


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


def signals_outside(world: World) -> bool:
    """kill(2): the same user, or CAP_KILL in the user namespace of the target."""
    return not world.has("pid") and (world.host_root or "KILL" in world.over_host)


def looks_outside(world: World) -> bool:
    """
    ptrace(2), "Ptrace access mode checking": into the host's process, or one of its own user without a capability.
    """
    return not world.has("pid") and (bool(TRACES & world.over_host) or not world.has("user"))


SINGLE = {
    "cap.sys_ptrace": "SYS_PTRACE",
    "cap.net_admin": "NET_ADMIN",
    "cap.dac_read_search": "DAC_READ_SEARCH",
    "cap.mknod": "MKNOD",
}


def holds_over_host(name: str) -> Rule:
    """Return a rule: open with this capability over the host."""
    return open_if(lambda world: name in world.over_host)


# Docker docs, "Seccomp security profiles for Docker": significant syscalls blocked by the default profile; and its
# newer refusals: io_uring, clone3, AF_ALG.
BLOCKED = (
    *("acct", "add_key", "bpf", "clock_settime", "delete_module", "finit_module", "init_module", "ioperm", "iopl"),
    *("kcmp", "kexec_file_load", "kexec_load", "keyctl", "lookup_dcookie", "mbind", "mount", "move_pages"),
    *("open_by_handle_at", "perf_event_open", "pivot_root", "process_madvise", "quotactl", "reboot", "request_key"),
    *("set_mempolicy", "setns", "settimeofday", "swapon", "swapoff", "syslog", "umount2", "userfaultfd", "ustat"),
    *("vhangup", "clone3", "io_uring_setup"),
)
CLONE_NEW = (0x20000, *(0x2000000 << bit for bit in range(6)))  # clone(2)
BLOCKED_IN_PART = (
    *(("clone", flag) for flag in CLONE_NEW),
    *(("unshare", flag) for flag in (*CLONE_NEW, 0x80)),
    *(("socket", family) for family in (38, 40)),
    *(("personality", value) for value in (0x40000, 0x100000, 0x400000)),  # personality(2)
)


def opens(family: int) -> bool:
    """Whether this host's kernel has a family of sockets."""
    try:
        socket.socket(family, socket.SOCK_SEQPACKET if family == socket.AF_ALG else socket.SOCK_STREAM).close()
    except OSError:
        return False
    return True


FAMILIES = tuple(filter(opens, (socket.AF_ALG, socket.AF_VSOCK)))


def answers_otherwise(world: World) -> bool:
    """Whether calls that it does not name get another errno than ENOSYS (config-linux.md, defaultErrnoRet)."""
    return world.denies_by_default and world.config["linux"]["seccomp"]["defaultErrnoRet"] != errno.ENOSYS


def may_mount(world: World) -> bool:
    return not (world.refused("mount") and world.refused("fsopen"))


def held_if(wall: Callable[[World], bool]) -> Rule:
    """Return a rule: holds if the condition is true, as in the stock configuration otherwise."""
    return lambda world: HOLDS if wall(world) else None


def any_dangerous(world: World) -> bool:
    """Whether its filter allows a call that docker's profile blocks."""
    whole = not all(world.refused(call) for call in BLOCKED)
    return whole or not all(world.refused(call, argument) for call, argument in BLOCKED_IN_PART)


RULES: dict[str, Rule] = {
    "ns.pid": lacks("pid"),
    "ns.pid.procfs": lacks("pid"),
    "ns.net": lacks("network"),
    "ns.ipc": lacks("ipc"),
    "ns.uts": lacks("uts"),
    "ns.cgroup": lacks("cgroup"),
    "ns.user": lacks("user"),
    "user.root_mapped": open_if(lambda world: world.host_root or world.maps("uid", 0) or world.maps("gid", 0)),
    "user.nonroot": open_if(lambda world: world.uid == 0),
    "user.groups": open_if(
        lambda world: (
            bool(set(world.groups) - {world.gid})
            or (world.has("user") and any(world.maps("gid", gid) for gid in PRIVILEGED_GIDS))
        )
    ),
    "cap.bounding": open_if(lambda world: bool(world.asked("bounding") - STOCK_BOUNDING)),
    "cap.baseline": open_if(lambda world: bool(world.over_host - PSS_BASELINE)),
    "cap.sys_admin": open_if(lambda world: "SYS_ADMIN" in world.over_host),
    "cap.sys_module": opened_if(lambda world: "SYS_MODULE" in world.over_host),
    # the network namespace is owned by the user namespace that was made with it, or both are the host's
    "cap.net_raw": open_if(lambda world: "NET_RAW" in world.effective),
    "nnp.set": open_if(lambda world: not world.no_new_privs),
    "seccomp.mode": open_if(lambda world: not world.filtered),
    "seccomp.dangerous": open_if(lambda world: not world.denies_by_default or any_dangerous(world)),
    "seccomp.sockets": held_if(lambda world: all(world.refused("socket", family) for family in FAMILIES)),
    "seccomp.unknown": opened_if(answers_otherwise),
    "kern.io_uring": held_if(lambda world: world.refused("io_uring_setup")),
    "user.nested_userns": held_if(lambda world: world.refused("unshare", 0x10000000)),
    # seccomp_init(3): a filter of libseccomp kills whoever calls by an architecture that it does not name
    "seccomp.abi": open_if(lambda world: not world.filtered),
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
    "path.cgroup_ro": open_if(lambda world: not world.read_only("/sys/fs/cgroup") and world.opens_roots_files),
    "dev.nodes": open_if(
        lambda world: bool(world.devices) or any(one["source"] == "/dev/kmsg" for one in world.drawn("bind"))
    ),
    "mnt.host_paths": open_if(lambda world: world.bound("/bound").startswith(("/etc", "/usr")) or leads_to_host(world)),
    "mnt.propagation": open_if(spreads),
    "sig.outside": open_if(signals_outside),
    "sig.peer": open_if(signals_outside),  # the peer is of the host's root too
    "ptrace.outside": open_if(looks_outside),
    "user.range_disjoint": lambda world: NOT_APPLICABLE if world.has("user") else OPEN,
    "ipc.abstract": lacks("network"),  # network_namespaces(7): abstract sockets belong to it
    "ipc.sysv_mq": lacks("ipc"),
    "env.secrets": open_if(lambda world: world.told("API_TOKEN")),
    "env.proxy": open_if(lambda world: world.told("https_proxy")),
    # keyrings(7), /proc/key-users: keys are counted by the user's id on the host
    "key.quota": open_if(lambda world: not world.refused("add_key") and (not world.has("user") or world.host_root)),
    "path.binfmt": open_if(lambda world: "SYS_ADMIN" in world.over_host and may_mount(world)),
    # cgroups(7): the root of a hierarchy of version 1, which only such a host has, holds release_agent
    **(
        {"path.release_agent": open_if(lambda world: "SYS_ADMIN" in world.over_host and may_mount(world))}
        if HAS_V1
        else {}
    ),
    "mnt.locked_ro": opened_if(
        lambda world: (
            "SYS_ADMIN" in world.effective
            and not world.refused("fsopen")
            and bool(world.bound("/bound") or world.drawn(mode="ro"))
        )
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
    "nnp.setuid": open_if(
        lambda world: not world.no_new_privs and (not world.config["root"]["readonly"] or bool(world.bound("/spread")))
    ),
    "mnt.layers": open_if(lambda world: not world.config["root"]["readonly"] and world.opens_roots_files),
    "cap.restricted": open_if(
        lambda world: bool((world.asked("bounding") | world.permitted) - frozenset({"NET_BIND_SERVICE"}))
    ),
    **{check: holds_over_host(name) for check, name in SINGLE.items()},
    "cap.rawio_boot_time": open_if(lambda world: bool(world.over_host & {"SYS_RAWIO", "SYS_BOOT", "SYS_TIME"})),
    "cap.bpf_perfmon": open_if(lambda world: bool(world.over_host & {"BPF", "PERFMON", "SYSLOG"})),
    "cap.ambient": open_if(lambda world: bool(world.ambient or world.asked("inheritable"))),
    # bpf(2): CAP_BPF, which CAP_SYS_ADMIN includes, in the initial user namespace
    "kern.bpf": open_if(lambda world: bool(world.over_host & {"BPF", "SYS_ADMIN"}) and not world.refused("bpf")),
    "kern.perf": open_if(
        lambda world: bool(world.over_host & {"PERFMON", "SYS_ADMIN"}) and not world.refused("perf_event_open")
    ),
    "kern.userfaultfd": open_if(lambda world: "SYS_PTRACE" in world.over_host and not world.refused("userfaultfd")),
    "kern.fanotify": open_if(lambda world: "SYS_ADMIN" in world.over_host and not world.refused("fanotify_init")),
    "kern.swap_acct_quota": open_if(
        lambda world: "SYS_ADMIN" in world.over_host and not (world.refused("swapon") and world.refused("swapoff"))
    ),
    "kern.kexec_reboot": open_if(
        lambda world: "SYS_BOOT" in world.effective and not world.has("pid") and not world.refused("reboot")
    ),
    # mount(2): CAP_SYS_ADMIN in the user namespace that owns the mount namespace, which is its own
    "kern.mount_api": open_if(lambda world: "SYS_ADMIN" in world.effective and may_mount(world)),
    "time.set": open_if(lambda world: "SYS_TIME" in world.over_host),
    "mnt.rootfs_ro": open_if(lambda world: not world.config["root"]["readonly"]),
}

# (runtime, check) to when it disagrees, and what that is.
EXPLAINED: dict[tuple[str, str], tuple[Callable[[World], bool], str, str]] = {
    ("crun", "cap.exec_parity"): (
        lambda world: world.uid != 0 and bool(world.asked("permitted") - world.permitted),
        OPEN,
        "crun 1.8.1: exec as another user than root keeps the permitted set, which the first process lost at execve",
    ),
    ("crun", "nnp.setuid"): (
        lambda world: world.has("user") and not world.no_new_privs and binds_files(world),
        OPEN,
        "crun 1.8.1: in a user namespace a bind that is not read-only lacks its nosuid and noexec",
    ),
    ("crun", "proc.exec_parity"): (
        lambda world: world.uid != 0 or world.gid != 0,
        OPEN,
        "crun 1.8.1, src/exec.c: exec without --user runs as root, whoever the first process is",
    ),
}


def predict(world: World, stock: dict[str, str]) -> dict[str, str]:
    """
    Return the verdict of every check.

    Args:
        world: the configuration.
        stock: the verdicts of the runtime's stock configuration.
    """
    found = dict(stock)
    for check, rule in RULES.items():
        verdict = rule(world)
        if verdict is not None:
            found[check] = verdict
    for (runtime, check), (when, verdict, _) in EXPLAINED.items():
        if runtime == world.runtime and when(world):
            found[check] = verdict
    return found
