"""Answers of tries in made-up facts.

In: a row of the table of tries, or a result.  Out: plain dicts.
"""

from __future__ import annotations

from typing import Any

# Answers that the host's root gets; a container without a filter differs if a capability decides.
UNFILTERED = {
    "bpf.bad_cmd": "EINVAL",
    "bpf.map_create_zero": "EINVAL",
    "bpf.prog_load_empty": "E2BIG",
    "bpf.prog_get_next_id": "ENOENT",
    "perf.null": "EFAULT",
    "perf.software_bad_config": "ENOENT",
    "userfaultfd.kernel_bad_flag": "EINVAL",
    "userfaultfd.user_bad_flag": "EINVAL",
    "io_uring.setup_null": "EFAULT",
    "mount.no_such_fs": "ENODEV",
    "fsopen.no_such_fs": "ENODEV",
    "pivot_root.null": "EFAULT",
    "open_tree.bad_fd": "EBADF",
    "move_mount.bad_fd": "EBADF",
    "unshare.no_such_flag": "EINVAL",
    "unshare.newuser": "ok",
    "clone3.null": "EINVAL",
    "init_module.null": "EFAULT",
    "finit_module.bad_fd": "EBADF",
    "delete_module.null": "EFAULT",
    "kexec_load.bad_flags": "EINVAL",
    "reboot.bad_magic": "EINVAL",
    "swapon.null": "EFAULT",
    "swapoff.null": "EFAULT",
    "acct.no_such_path": "ENOENT",
    "settimeofday.null": "ok",
    "adjtimex.bad_tick": "EINVAL",
    "sethostname.null": "EINVAL",
    "syslog.size_buffer": "ok",
    "add_key.null": "EFAULT",
    "request_key.null": "EFAULT",
    "keyctl.bad_cmd": "EOPNOTSUPP",
    "open_by_handle_at.null": "EFAULT",
    "quotactl.bad_cmd": "ENODEV",
    "kcmp.self": "ok",
    "set_mempolicy.bad_mode": "EINVAL",
    "move_pages.none": "ok",
    "socket.packet_raw": "ok",
    "socket.inet_raw": "ok",
    "socket.vsock": "ok",
    "socket.alg": "ok",
    "socket.netlink_audit": "ok",
    "mknod.null_device": "ok",
    "personality.no_randomize": "ok",
    "kmsg.open": "ok",
    "landlock.version": "ok",
    "prctl.get_memory_merge": "ok",
    "fanotify.bad_flag": "EINVAL",
    "sched.fifo": "ok",
    "syscall.unknown": "ENOSYS",
    **{f"{entry}.{row}": "ok" for entry in ("i386", "x32") for row in ("personality", "vsock", "alg")},
    **{
        f"{entry}.{row}": answer
        for entry in ("i386", "x32")
        for row, answer in (("add_key", "EFAULT"), ("bpf", "EINVAL"))
    },
    "i386.socketcall_vsock": "ok",
    "i386.socketcall_alg": "ok",
}


def try_of(result: str) -> dict[str, Any]:
    return {"result": result, "value": 0 if result == "ok" else -1}
