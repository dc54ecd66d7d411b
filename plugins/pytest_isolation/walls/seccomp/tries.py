"""What the answers to harmless system calls show about a seccomp filter.

In: the tries of a sandbox and of its host.  Out: which rows the filter refused, which it allowed.  Pure.

A row proves a *filter* only if its answer without one depends on no capability, sysctl or kernel version.
The suite demands only calls that the default profiles of docker (20.10, 29) and podman (4.3, 5) both refuse.
So io_uring (docker 20.10), unshare, clone3, keyctl, set_mempolicy, vsock (podman) and audit sockets (docker) decide
nothing: they are evidence only.
"""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.facts.system import System

# Answers of the call's own code to every process, by row: the call passed all filters.
PROVE_FILTER: dict[str, frozenset[str]] = {
    # since Linux 5.11 USER_MODE_ONLY asks for no privilege, and the bad flag is then looked at
    "userfaultfd.user_bad_flag": frozenset({"EINVAL"}),
    "add_key.null": frozenset({"EFAULT"}),
    "request_key.null": frozenset({"EFAULT"}),
    "quotactl.bad_cmd": frozenset({"ENODEV", "EINVAL", "EFAULT", "ENOENT", "ENOTBLK", "ok"}),
    "kcmp.self": frozenset({"EINVAL", "ok"}),
    "move_pages.none": frozenset({"ok", "EINVAL"}),
    "personality.no_randomize": frozenset({"ok"}),
}
# A sysctl (kernel.unprivileged_bpf_disabled before Linux 6.4, Debian's perf_event_paranoid=3) or a missing capability
# (open_by_handle_at on older kernels) may refuse these too: they can only prove the lack of a filter.
PROVE_LACK: dict[str, frozenset[str]] = {
    "bpf.bad_cmd": frozenset({"EINVAL"}),
    "bpf.map_create_zero": frozenset({"EINVAL"}),
    "perf.null": frozenset({"EFAULT"}),
    "open_by_handle_at.null": frozenset({"EFAULT", "EBADF"}),
}
# The call of each row that decides.
CALLS = {
    "bpf.bad_cmd": "bpf",
    "bpf.map_create_zero": "bpf",
    "perf.null": "perf_event_open",
    "open_by_handle_at.null": "open_by_handle_at",
    "userfaultfd.user_bad_flag": "userfaultfd",
    "add_key.null": "add_key",
    "request_key.null": "request_key",
    "quotactl.bad_cmd": "quotactl",
    "kcmp.self": "kcmp",
    "move_pages.none": "move_pages",
    "personality.no_randomize": "personality",
}
# Rows that show whether the kernel has a dangerous call: ENOSYS on the host means that it does not.
PRESENT = {
    "init_module": "init_module.null",
    "finit_module": "finit_module.bad_fd",
    "delete_module": "delete_module.null",
    "kexec_load": "kexec_load.bad_flags",
    "swapon": "swapon.null",
    "swapoff": "swapoff.null",
    "acct": "acct.no_such_path",
    **{call: row for row, call in CALLS.items()},
}
# The rows by i386's and x32's numbers, and the row of the same call by the machine's own.
FOREIGN_ABI_ROWS = {
    entry: {
        f"{entry}.{name}": own
        for name, own in (
            ("personality", "personality.no_randomize"),
            ("add_key", "add_key.null"),
            ("bpf", "bpf.bad_cmd"),
        )
    }
    for entry in ("i386", "x32")
}
# Every try to open a socket that no container needs, in words.
SOCKETS = {
    "socket.vsock": "AF_VSOCK",
    "socket.alg": "AF_ALG",
    "i386.vsock": "AF_VSOCK by i386's socket",
    "i386.alg": "AF_ALG by i386's socket",
    "i386.socketcall_vsock": "AF_VSOCK by i386's socketcall",
    "i386.socketcall_alg": "AF_ALG by i386's socketcall",
    "x32.vsock": "AF_VSOCK by x32's socket",
    "x32.alg": "AF_ALG by x32's socket",
}
# Every row that the probe tries: a report shows them all.
ROWS = (
    *("bpf.bad_cmd", "bpf.map_create_zero", "bpf.prog_load_empty", "bpf.prog_get_next_id", "perf.null"),
    *("perf.software_bad_config", "userfaultfd.kernel_bad_flag", "userfaultfd.user_bad_flag", "io_uring.setup_null"),
    *("mount.no_such_fs", "fsopen.no_such_fs", "pivot_root.null", "open_tree.bad_fd", "move_mount.bad_fd"),
    *("unshare.no_such_flag", "unshare.newuser", "clone3.null", "init_module.null", "finit_module.bad_fd"),
    *("delete_module.null", "kexec_load.bad_flags", "reboot.bad_magic", "swapon.null", "swapoff.null"),
    *("acct.no_such_path", "settimeofday.null", "adjtimex.bad_tick", "sethostname.null", "syslog.size_buffer"),
    *("add_key.null", "request_key.null", "keyctl.bad_cmd", "open_by_handle_at.null", "quotactl.bad_cmd"),
    *("kcmp.self", "set_mempolicy.bad_mode", "move_pages.none", "socket.packet_raw", "socket.inet_raw"),
    *("socket.vsock", "socket.alg", "socket.netlink_audit", "mknod.null_device", "personality.no_randomize"),
    *("i386.personality", "i386.add_key", "i386.bpf", "i386.vsock", "i386.alg", "i386.socketcall_vsock"),
    *("i386.socketcall_alg", "x32.personality", "x32.add_key", "x32.bpf", "x32.vsock", "x32.alg"),
    *("kmsg.open", "landlock.version", "prctl.get_memory_merge"),
    *("fanotify.bad_flag", "sched.fifo", "syscall.unknown"),
)


@dataclass(frozen=True)
class Refusals:
    """`refused`: rows that a filter refused; `reached`: rows that the call's own code answered."""

    refused: tuple[str, ...]
    reached: tuple[str, ...]


def read_refusals(inside: System, host: System) -> Refusals:
    """
    Sort the deciding rows into refused and reached ones.

    The host's answer is the control.
    If the host's own try does not reach the call (the kernel lacks it, or a filter holds the host), a refusal inside
    shows nothing.
    A refusal is any answer that is not the call's own, whatever its errno, and SIGSYS; a timeout is neither.
    """
    refused, reached = [], []
    for row, own_answers in PROVE_FILTER.items():
        answer, control = inside.tries[row].result, host.tries[row].result
        if answer in own_answers:
            reached.append(row)
        elif control in own_answers and answer != "timeout":
            refused.append(row)
    reached += [row for row, own_answers in PROVE_LACK.items() if inside.tries[row].result in own_answers]
    return Refusals(tuple(refused), tuple(reached))
