"""Seccomp filters, and interfaces of the kernel that a filter or a capability refuses."""

from __future__ import annotations

import errno
import socket

from world import World

from predict.rules import Rule, held_if, open_if, opened_if

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


def any_dangerous(world: World) -> bool:
    """Whether its filter allows a call that docker's profile blocks."""
    whole = not all(world.refused(call) for call in BLOCKED)
    return whole or not all(world.refused(call, argument) for call, argument in BLOCKED_IN_PART)


RULES: dict[str, Rule] = {
    "seccomp.mode": open_if(lambda world: not world.filtered),
    "seccomp.dangerous": open_if(lambda world: not world.denies_by_default or any_dangerous(world)),
    "seccomp.sockets": held_if(lambda world: all(world.refused("socket", family) for family in FAMILIES)),
    "seccomp.unknown": opened_if(answers_otherwise),
    # seccomp_init(3): a filter of libseccomp kills whoever calls by an architecture that it does not name
    "seccomp.abi": open_if(lambda world: not world.filtered),
    "kern.io_uring": held_if(lambda world: world.refused("io_uring_setup")),
    "user.nested_userns": held_if(lambda world: world.refused("unshare", 0x10000000)),
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
    # mount(2): CAP_SYS_ADMIN in the user namespace that owns the mount namespace, which is its own
    "kern.mount_api": open_if(lambda world: "SYS_ADMIN" in world.effective and may_mount(world)),
}
