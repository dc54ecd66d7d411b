"""Explains what refused a try: the seccomp filter, a missing capability, a label, or another rule of the kernel.

In: the answers of a try inside and on the host, the installed filter, capabilities and label of the caller.
Out: words.  Pure.

Three walls answer EPERM, and the errno does not tell them apart.
The kernel asks the filter first, at the entry of the call (seccomp(2)).
If the installed filter refuses the call, the text names the filter and the walls behind it.
Otherwise the call's own code checks its capability, and LSMs come last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from pytest_isolation.walls.labels import why_unconfined
from pytest_isolation.walls.seccomp.actions import Passes
from pytest_isolation.walls.seccomp.bpf import Arguments
from pytest_isolation.walls.seccomp.program import Installed
from pytest_isolation.walls.seccomp.syscalls import call_numbers
from pytest_isolation.walls.seccomp.tries import ROWS

REFUSALS = frozenset({"EPERM", "EACCES", "ENOSYS", "SIGSYS"})
# The system call of a row: by the row, or by the part before its dot.
CALLS = {
    "perf": "perf_event_open",
    "io_uring": "io_uring_setup",
    "mknod": "mknodat",
    "kmsg": "",  # open(2), which no filter refuses by path
    "syslog": "syslog",
    "fanotify": "fanotify_init",
    "sched": "sched_setscheduler",
    "landlock": "landlock_create_ruleset",
    "syscall": "",
    "i386.vsock": "socket",
    "i386.alg": "socket",
    "i386.socketcall_vsock": "socketcall",
    "i386.socketcall_alg": "socketcall",
    "x32.vsock": "socket",
    "x32.alg": "socket",
}
# The arguments that filters look at (probe/system/tries.c); the arguments of other rows decide nothing.
ARGUMENTS: dict[str, tuple[int, ...]] = {
    "unshare.no_such_flag": (1,),
    "unshare.newuser": (0x10000000,),
    "socket.packet_raw": (17, 3, 0),
    "socket.inet_raw": (2, 3, 1),
    "socket.vsock": (40, 1, 0),
    "socket.alg": (38, 5, 0),
    "socket.netlink_audit": (16, 3, 9),
    "personality.no_randomize": (0x0040000,),
    "i386.vsock": (40, 1, 0),
    "i386.alg": (38, 5, 0),
    "x32.vsock": (40, 1, 0),
    "x32.alg": (38, 5, 0),
    "i386.personality": (0x0040000,),
    "x32.personality": (0x0040000,),
}
# The call demands one of these capabilities over the initial user namespace (kernel source; capabilities(7)).
OVER_HOST: dict[str, tuple[str, ...]] = {
    "bpf.map_create_zero": ("BPF", "SYS_ADMIN"),
    "bpf.prog_load_empty": ("BPF", "SYS_ADMIN"),
    "bpf.prog_get_next_id": ("SYS_ADMIN",),
    "perf.software_bad_config": ("PERFMON", "SYS_ADMIN"),
    "userfaultfd.kernel_bad_flag": ("SYS_PTRACE",),
    **dict.fromkeys(("init_module.null", "finit_module.bad_fd", "delete_module.null"), ("SYS_MODULE",)),
    "kexec_load.bad_flags": ("SYS_BOOT",),
    **dict.fromkeys(("swapon.null", "swapoff.null", "fanotify.bad_flag"), ("SYS_ADMIN",)),
    "acct.no_such_path": ("SYS_PACCT",),
    **dict.fromkeys(("settimeofday.null", "adjtimex.bad_tick"), ("SYS_TIME",)),
    "syslog.size_buffer": ("SYSLOG", "SYS_ADMIN"),
    "mknod.null_device": ("MKNOD",),
    "sched.fifo": ("SYS_NICE",),
}
# The call demands one of these over the user namespace that owns the object: the sandbox's own, if it owns it.
OVER_OWN_NAMESPACE: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("mount.no_such_fs", "fsopen.no_such_fs", "pivot_root.null"), ("SYS_ADMIN",)),
    **dict.fromkeys(("open_tree.bad_fd", "move_mount.bad_fd", "sethostname.null"), ("SYS_ADMIN",)),
    "reboot.bad_magic": ("SYS_BOOT",),
    **dict.fromkeys(("socket.packet_raw", "socket.inet_raw"), ("NET_RAW",)),
}


@dataclass(frozen=True)
class Caller:
    """
    What is known of the process that made the try.

    Attributes:
        filter: its installed filter; None if it was not read.
        unfiltered: whether it has no filter at all (seccomp mode 0).
        over_host: names of its effective capabilities over the host, without "CAP_".
        over_own_namespace: the same in its own user namespace.
        label, host_label: contents of /proc/PID/attr/current; "" if no LSM labels processes.
    """

    filter: Installed | None
    unfiltered: bool
    over_host: frozenset[str]
    over_own_namespace: frozenset[str]
    label: str
    host_label: str


@cache
def call_of(row: str) -> tuple[str, str, Arguments]:
    """
    Return the system call of a row.

    Returns:
        The ABI ("" for the machine's own), the call's name ("" if no call decides) and the arguments that matter.
    """
    family, _, rest = row.partition(".")
    abi = family if family in ("i386", "x32") else ""
    call = CALLS.get(row) or CALLS.get(family, rest if abi else family)
    return abi, call, ARGUMENTS.get(row)


def denied_by(row: str, answer: str, control: str, caller: Caller) -> str:
    """
    Return which wall refused a try and what is behind it; "" if nothing refused it.

    Args:
        row: name of the try, one of ROWS.
        answer, control: the answers inside and on the host, as errno names or "ok".
        caller: the process that made the try.
    """
    if row not in ROWS:
        return ""
    filtered = _is_filtered(row, answer, caller)
    if not filtered and answer == control == "ENOSYS":
        return "not in this kernel"
    if not filtered and answer not in REFUSALS:
        return ""
    behind = list(_behind(row, answer, control, caller))
    if filtered:
        return f"refused by its filter; behind it: {', '.join(behind) or 'no wall that was seen'}"
    seen = caller.unfiltered or caller.filter is not None or not call_of(row)[1]
    unread = "" if seen else "; its filter was not read"
    return f"refused: {', '.join(behind) or 'by what was not seen here, a setting of the kernel or an LSM'}{unread}"


def _is_filtered(row: str, answer: str, caller: Caller) -> bool:
    """Whether the installed filter refuses the call with this answer."""
    abi, call, args = call_of(row)
    if caller.filter is None or not call:
        return False
    abi = abi or caller.filter.abis[0]
    number = call_numbers(abi).get(call)
    if number is None or caller.filter.passes(abi, number, args) is not Passes.NEVER:
        return False
    return answer == "SIGSYS" or answer in caller.filter.errnos(abi, number, args)


def _behind(row: str, answer: str, control: str, caller: Caller) -> Iterator[str]:
    over_host = row in OVER_HOST
    asked = OVER_HOST.get(row) or OVER_OWN_NAMESPACE.get(row, ())
    held = caller.over_host if over_host else caller.over_own_namespace
    if asked and not held.intersection(asked):
        yield f"no {' or '.join(f'CAP_{name}' for name in asked)}{' over the host' if over_host else ''}"
    if answer == "EACCES" and why_unconfined(caller.label, caller.host_label) is None:
        yield f"its label '{caller.label}'"
    if answer == control:
        yield "as on the host"
