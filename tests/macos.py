"""Makes this Python look like macOS's: run it as `python -m macos PROGRAM [ARG…]`, or `-c CODE`.

What Linux alone has is gone: attributes of os, socket, fcntl, resource, select, signal and time, and the folders /proc,
/sys and /run.  Not simulated: the C library and the file system.
"""

from __future__ import annotations

import errno
import fcntl
import os
import platform
import resource
import runpy
import select
import signal
import socket
import sys
import time
import types
from typing import Any

# Python's documentation: "Availability: Linux", without macOS
LINUX_ALONE: dict[Any, tuple[str, ...]] = {
    os: (
        *("setns", "unshare", "pidfd_open", "memfd_create", "eventfd", "eventfd_read", "eventfd_write", "getrandom"),
        *("sched_getaffinity", "sched_setaffinity", "sched_setscheduler", "sched_getscheduler", "copy_file_range"),
        *("splice", "posix_fadvise", "posix_fallocate", "getxattr", "setxattr", "listxattr", "removexattr"),
        *("setresuid", "setresgid", "getresuid", "getresgid", "fdatasync", "pipe2", "timerfd_create", "waitid"),
        *("O_PATH", "O_TMPFILE", "O_DIRECT", "O_NOATIME", "ST_NOEXEC", "ST_NODEV", "ST_NOATIME", "P_PIDFD"),
        *(
            "CLONE_NEWNS",
            "CLONE_NEWUSER",
            "CLONE_NEWPID",
            "CLONE_NEWNET",
            "MFD_CLOEXEC",
            "GRND_NONBLOCK",
            "EFD_CLOEXEC",
        ),
    ),
    socket: ("AF_NETLINK", "AF_VSOCK", "AF_ALG", "AF_PACKET", "SO_PEERCRED", "TCP_USER_TIMEOUT", "SO_BINDTODEVICE"),
    fcntl: ("F_OFD_SETLK", "F_OFD_GETLK", "F_ADD_SEALS", "F_GET_SEALS", "F_SETPIPE_SZ", "F_NOTIFY", "DN_CREATE"),
    resource: ("prlimit", "RLIMIT_MSGQUEUE", "RLIMIT_RTPRIO", "RLIMIT_SIGPENDING", "RLIMIT_NICE", "RLIMIT_OFILE"),
    select: ("epoll", "EPOLLIN"),
    signal: ("sigtimedwait", "sigwaitinfo", "SIGPWR", "SIGSTKFLT", "SIGRTMIN", "SIGRTMAX", "SIGPOLL"),
    time: ("CLOCK_BOOTTIME", "CLOCK_TAI"),
}
NOT_THERE = ("/proc", "/sys", "/run")


def become_macos() -> None:
    """Change this process; there is no way back."""
    import ssl  # noqa: F401 - reads its settings of this machine
    import subprocess  # noqa: F401 - chooses _posixsubprocess by what os has
    import sysconfig

    sysconfig.get_config_vars()  # a file that is named after the platform

    for module, names in LINUX_ALONE.items():
        for name in names:
            if hasattr(module, name):
                delattr(module, name)
    named = os.uname()
    os.uname = lambda: os.uname_result(("Darwin", named.nodename, "24.6.0", "Darwin Kernel", "arm64"))
    sys.platform = "darwin"
    platform.system = lambda: "Darwin"
    platform.machine = lambda: "arm64"
    proxies = types.ModuleType("_scproxy")  # which urllib has on macOS alone
    proxies._get_proxies = proxies._get_proxy_settings = dict  # type: ignore[attr-defined]
    sys.modules["_scproxy"] = proxies
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    """Let what opens or lists a folder of Linux fail as on macOS."""
    if event in ("open", "os.listdir", "os.scandir") and isinstance(arguments[0], str):
        path = arguments[0]
        if any(path == folder or path.startswith(f"{folder}/") for folder in NOT_THERE):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)


if __name__ == "__main__":
    become_macos()
    sys.argv = sys.argv[1:]
    if sys.argv[0] == "-c":
        exec(sys.argv.pop(1), {"__name__": "__main__"})
    else:
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
