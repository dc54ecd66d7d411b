"""Which answers of a try mean that the call passed all walls.

In: the tries of a sandbox and of its host.  Out: the rows that passed; whether the host's kernel has the call.  Pure.

A seccomp filter, a missing capability and an LSM all answer EPERM.
A row passes only by an answer that the call's own code gives after its privilege check.
So the wall holds whichever of the three refuses.
A weakness of its own opens each row (tests/weaknesses).
"""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.facts.system import System

# The answers that come after the check of privilege, by row (the calls' code in the kernel's tree).
PASSED: dict[str, frozenset[str]] = {
    "bpf.prog_load_empty": frozenset({"E2BIG", "ok"}),  # bpf_prog_load: insn_cnt is looked at after bpf_capable
    "bpf.prog_get_next_id": frozenset({"ENOENT", "ok"}),
    "perf.software_bad_config": frozenset({"ENOENT", "ok"}),  # after perf_allow_kernel
    "userfaultfd.kernel_bad_flag": frozenset({"EINVAL", "ok"}),  # after userfaultfd_syscall_allowed
    "io_uring.setup_null": frozenset({"EFAULT", "EINVAL", "ok"}),  # after io_uring_allowed
    "kexec_load.bad_flags": frozenset({"EINVAL", "ok"}),  # after kexec_load_permitted
    "finit_module.bad_fd": frozenset({"EBADF", "EFAULT", "ok"}),  # after may_init_module
    "socket.packet_raw": frozenset({"ok"}),
    "socket.inet_raw": frozenset({"ok"}),
    "reboot.bad_magic": frozenset({"EINVAL", "ok"}),
    "fsopen.no_such_fs": frozenset({"ENODEV", "ok"}),
    "pivot_root.null": frozenset({"EFAULT", "ok"}),
    "open_tree.bad_fd": frozenset({"EBADF", "ok"}),
    "move_mount.bad_fd": frozenset({"EBADF", "ok"}),
    "swapon.null": frozenset({"EFAULT", "ok"}),
    "swapoff.null": frozenset({"EFAULT", "ok"}),
    "acct.no_such_path": frozenset({"ENOENT", "ok"}),
    "fanotify.bad_flag": frozenset({"EINVAL", "ok"}),  # without CAP_SYS_ADMIN a group that reports no FID is refused
    "sched.fifo": frozenset({"ok"}),
    "settimeofday.null": frozenset({"ok"}),
    "adjtimex.bad_tick": frozenset({"EINVAL", "ok"}),
}
# mount(2) of no such file system tells nothing under AppArmor, which looks the file system up before anything is asked:
# security/apparmor/mount.c, aa_new_mount answers ENODEV to everybody
MOUNT_ROWS = ("fsopen.no_such_fs", "pivot_root.null", "open_tree.bad_fd", "move_mount.bad_fd")
BPF_ROWS = ("bpf.prog_load_empty", "bpf.prog_get_next_id")
SWAP_ROWS = ("swapon.null", "swapoff.null", "acct.no_such_path")
CLOCK_ROWS = ("settimeofday.null", "adjtimex.bad_tick")


def rows_passed(system: System, rows: Iterable[str]) -> list[str]:
    """Return the rows that passed, each with its answer."""
    answers = {row: system.tries[row].result for row in rows}
    return [f"{row} ({answer})" for row, answer in answers.items() if answer in PASSED[row]]


def has_none(host: System, rows: Iterable[str]) -> bool:
    """Whether the host's own kernel has none of these calls: then the check proves no wall."""
    return all(host.tries[row].result == "ENOSYS" for row in rows)
