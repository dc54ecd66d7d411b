"""Who refused a try: the seccomp filter, a capability that is lacking, a label, or a rule of the kernel's own.

In: a try's answer inside and on the host, the installed filter, the capabilities held, the label.  Out: words.  Pure.

EPERM has three authors, and the errno does not tell them apart (A.1 of the catalogue: walls hide each other).  The
filter is asked first, at the call's entry (seccomp(2)), so where the installed program refuses, it is the author and
what stands behind it is told too; past it the call's own code asks for its capability, and LSMs come last.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from pytest_isolation.walls.labels import why_unconfined
from pytest_isolation.walls.seccomp.actions import Passes
from pytest_isolation.walls.seccomp.program import Arguments, Installed
from pytest_isolation.walls.seccomp.syscalls import call_numbers
from pytest_isolation.walls.seccomp.tries import ROWS

REFUSALS = frozenset({"EPERM", "EACCES", "ENOSYS", "SIGSYS"})
# A row's call, by what stands before the dot, and by the row where that does not tell it.
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
# What of the arguments filters look at (probe/system/tries.c); those of other rows decide nothing.
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
# The capabilities of which the call's code asks for one, over the initial user namespace (the calls' code in the
# kernel's tree; capabilities(7)).
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
# The same over the user namespace that owns what the call acts on: its own, where that is its own too.
OVER_ITS_OWN: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("mount.no_such_fs", "fsopen.no_such_fs", "pivot_root.null"), ("SYS_ADMIN",)),
    **dict.fromkeys(("open_tree.bad_fd", "move_mount.bad_fd", "sethostname.null"), ("SYS_ADMIN",)),
    "reboot.bad_magic": ("SYS_BOOT",),
    **dict.fromkeys(("socket.packet_raw", "socket.inet_raw"), ("NET_RAW",)),
}


@dataclass(frozen=True)
class Standing:
    """
    What stands around the process that tried.

    Attributes:
        filter: its installed filter, None where nobody read it.
        unfiltered: whether it has none at all (seccomp mode 0).
        over_host: names of its capabilities in effect over the host, without "CAP_".
        over_its_own: the same in its own user namespace.
        label, host_label: of /proc/PID/attr/current, "" where no LSM labels processes.
    """

    filter: Installed | None
    unfiltered: bool
    over_host: frozenset[str]
    over_its_own: frozenset[str]
    label: str
    host_label: str


@cache
def call_of(row: str) -> tuple[str, str, Arguments]:
    """Return a row's ABI ("" for the machine's own), its call ("" where none decides) and what arguments matter."""
    family, _, rest = row.partition(".")
    abi = family if family in ("i386", "x32") else ""
    call = CALLS.get(row) or CALLS.get(family, rest if abi else family)
    return abi, call, ARGUMENTS.get(row)


def author_of(row: str, answer: str, control: str, standing: Standing) -> str:
    """
    Say in words which wall refused a try and what stands behind it, "" where nothing did.

    Args:
        row: the try, as ROWS names it.
        answer, control: what it answered inside, and on the host.
        standing: of the process that tried.
    """
    if row not in ROWS:
        return ""
    filtered = _is_filtered(row, answer, standing)
    if not filtered and answer == control == "ENOSYS":
        return "not in this kernel"
    if not filtered and answer not in REFUSALS:
        return ""
    behind = list(_behind(row, answer, control, standing))
    if filtered:
        return f"refused by its filter; behind it: {', '.join(behind) or 'no wall that was seen'}"
    seen = standing.unfiltered or standing.filter is not None or not call_of(row)[1]
    unread = "" if seen else "; its filter was not read"
    return f"refused: {', '.join(behind) or 'by what was not seen here, a setting of the kernel or an LSM'}{unread}"


def _is_filtered(row: str, answer: str, standing: Standing) -> bool:
    """Whether the installed filter refuses the call, and with this very answer."""
    abi, call, args = call_of(row)
    if standing.filter is None or not call:
        return False
    abi = abi or standing.filter.abis[0]
    number = call_numbers(abi).get(call)
    if number is None or standing.filter.passes(abi, number, args) is not Passes.NEVER:
        return False
    return answer == "SIGSYS" or answer in standing.filter.errnos(abi, number, args)


def _behind(row: str, answer: str, control: str, standing: Standing) -> Iterator[str]:
    over_host = row in OVER_HOST
    asked = OVER_HOST.get(row) or OVER_ITS_OWN.get(row, ())
    held = standing.over_host if over_host else standing.over_its_own
    if asked and not held.intersection(asked):
        yield f"no {' or '.join(f'CAP_{name}' for name in asked)}{' over the host' if over_host else ''}"
    if answer == "EACCES" and why_unconfined(standing.label, standing.host_label) is None:
        yield f"its label '{standing.label}'"
    if answer == control:
        yield "as on the host"
