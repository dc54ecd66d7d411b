"""Plants for unshare: words of its command removed or changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from argument_lists import as_root, without
from ground import Ground
from plant import (
    MAY_MOUNT,
    OF_CGROUPS,
    OTHERS_LINKS,
    PROC_SYS,
    SHARED,
    SYSLOG,
    SYSRQ,
    Make,
    Plant,
    flags,
    limits_left_out,
    limits_too_large,
    opened,
)

UNSHARE = ("unshare",)


def unshared(*left_out: str) -> Callable[[Ground], Mapping[str, Any]]:
    """Return the overlay of unshare's create without some of its words."""
    return lambda ground: {"create": without(ground.runtime.create, *left_out)}


def _bare(ground: Ground) -> list[str]:
    """Return create up to the program, without the launcher that pivots: it serves where unshare left it."""
    create = list(ground.runtime.create)
    last = len(create) - 1 - create[::-1].index("--")
    middle = create.index("--", create.index("--") + 1)
    return [*without(create[:middle], "--mount"), "--", "{{ probe }}", *create[last + 2 :]]


def _by_root(ground: Ground) -> list[str]:
    """Return create for the host's root without a user namespace."""
    return without(as_root(ground.runtime.create), "--user", "--map-root-user")


BASES: dict[tuple[str, str], Make] = {("unshare", "by root"): lambda ground: {"create": _by_root(ground)}}

PLANTS = (
    # look-alikes
    Plant("mounts that only receive", UNSHARE, spec=flags("--propagation", "slave")),
    # namespaces and users
    Plant(
        "no --ipc",
        UNSHARE,
        {"ns.ipc": "host's IPC namespace", "ipc.sysv_mq": "segment is there"},
        overlay=unshared("--ipc"),
    ),
    Plant(
        "no --pid, by root",  # another user may not mount a /proc of the host's pid namespace
        UNSHARE,
        {
            "ns.pid": "host's pid namespace",
            "ns.pid.procfs": "host's pid namespace",
            "ns.pid.reap": "there still run process",
            "sig.outside": "signal the host's process",
            "sig.peer": "signal its peer's process",
        },
        opened("kern.kexec_reboot", "ptrace.outside"),
        base="by root",
        overlay=lambda ground: {"create": without(_by_root(ground), "--pid")},
        ends=True,
    ),
    Plant("no --uts", UNSHARE, {"ns.uts": "host's UTS namespace"}, overlay=unshared("--uts")),
    Plant("no --cgroup", UNSHARE, {"ns.cgroup": "host's cgroup namespace"}, overlay=unshared("--cgroup")),
    Plant(
        "no --net",
        UNSHARE,
        {"ns.net": "host's network namespace", "ipc.abstract": "it connects to the host's @"},
        {"cap.net_raw": "holds"},
        apart=OTHERS_LINKS,
        overlay=unshared("--net", "--loopback"),
    ),
    Plant(
        "unshare -r run by root",
        UNSHARE,
        {
            "user.root_mapped": "root",
            "mnt.layers": "and it may write there",
            "path.bus_irq_fs": "opens for writing",
            **PROC_SYS,
            **SYSRQ,
        },
        {"user.range_disjoint": "holds"},
        overlay=lambda ground: {"create": as_root(ground.runtime.create)},
    ),
    Plant(
        "no --user, by root",
        UNSHARE,
        {
            "ns.user": "host's user namespace",
            "user.root_mapped": "runs as the host's root",
            "cap.baseline": "SYS_ADMIN",
            "cap.sys_admin": "CAP_SYS_ADMIN",
            "cap.sys_module": "CAP_SYS_MODULE",
            "dev.cgroup": "a node of its own opens",
            "mnt.layers": "and it may write there",
            "path.bus_irq_fs": "opens for writing",
            **MAY_MOUNT,
            **SYSLOG,
            **PROC_SYS,
            **SYSRQ,
        },
        opened(
            "key.session",  # in the host's user namespace it is the caller's own
            *("cap.sys_ptrace", "cap.net_admin", "cap.dac_read_search", "cap.mknod", "cap.rawio_boot_time", "time.set"),
            *("kern.bpf", "kern.perf", "kern.userfaultfd", "kern.swap_acct_quota", "kern.fanotify", "kern.rt_sched"),
        ),
        overlay=lambda ground: {"create": _by_root(ground)},
    ),
    Plant(
        "no --mount",
        UNSHARE,
        {"ns.mnt": "host's mount namespace", "mnt.host_paths": "host's /"},
        # the mount namespace is not its user namespace's; its cgroup namespace hides where it is in the host's mounts
        {"kern.mount_api": "holds", "lim.cgroup_leave": "unknown"}
        | opened(
            *("ns.pid.procfs", "dev.nodes", "dev.tty", "dev.shm", "mnt.old_root", "path.sys_ro", "path.firmware"),
            *SHARED,
        ),
        # the host may have namespaces mounted, in /run/netns or for an engine, sockets of services and of engines, and
        # may let everybody open /dev/fuse
        apart=("ns.join", "dev.fuse_tun", "ipc.host_sockets", "mgmt.runtime_sock"),
        overlay=lambda ground: {"create": _bare(ground)},
    ),
    Plant(
        "a group of the caller kept",
        UNSHARE,
        {"user.groups": "groups 6"},
        overlay=lambda ground: {
            "create": [*("setpriv", "--reuid=65534", "--regid=65534", "--groups=6"), *ground.runtime.create[5:]]
        },
    ),
    Plant(
        "the peer's network namespace",
        UNSHARE,
        {"ns.peer": "its net namespace", "net.peer_same": "its peer's token"},
        {"cap.net_raw": "holds", "ns.owner": "open"},
        apart=("ns.net",),  # unshare stays in it, outside the sandbox; it is not the host's
        overlay=lambda ground: {
            "create": [
                *("nsenter", f"--net=/proc/{ground.peer_pid}/ns/net", "--"),
                *without(ground.runtime.create, "--net", "--loopback"),
            ]
        },
        reach=True,
        ends=True,  # its peer is no residue
    ),
    # limits
    *limits_left_out(*UNSHARE, names=(*OF_CGROUPS, "nproc")),
    *limits_too_large(*UNSHARE, names=(*OF_CGROUPS, "nproc")),
)
