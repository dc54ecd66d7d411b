"""Makes and deletes network namespaces with a loopback interface and nothing else.

In: a name.  Out: the path for `nsenter --net=PATH`.  `ip netns exec` is not used: it mounts a new /sys, which hides the
cgroup mounts.  The host's own network is not changed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

from provisioner.errors import IsolationError, unless_root
from provisioner.files.folder import Folder
from provisioner.linux.mounts import mounted_below, unmount
from provisioner.linux.processes import Process, find_in_netns, kill_all, with_descendants

FOLDER = Path("/run/netns")
TIMEOUT = 10.0  # seconds
NEEDS = "a persistent network namespace needs CAP_SYS_ADMIN"
# SIOCSIFFLAGS with IFF_UP|IFF_RUNNING on lo (netdevice(7))
LOOPBACK_UP = """
import fcntl, socket, struct
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sH22x", b"lo", 0x41))
"""


def netns_path(name: str) -> Path:
    """Return the path of the namespace of this name, where ip-netns(8) has it too."""
    return FOLDER / name


def make_netns(name: str) -> Path:
    """
    Make a network namespace and bring its loopback interface up.

    Returns:
        Its path.

    Raises:
        IsolationError: this user may not make one, or the name is taken.
    """
    path = netns_path(name)
    if path.exists():
        raise IsolationError(f"cannot make network namespace '{name}': it exists already", hint="provisioner prune")
    try:
        if shutil.which("ip"):
            _run(["ip", "netns", "add", name], name)
        else:
            FOLDER.mkdir(mode=0o755, exist_ok=True)
            path.touch(mode=0o444, exist_ok=False)
            _run(["unshare", f"--net={path}", "true"], name)
        _run(["nsenter", f"--net={path}", sys.executable, "-I", "-c", LOOPBACK_UP], name)
    except BaseException:
        with contextlib.suppress(IsolationError):
            delete_netns(name)
        raise
    return path


def delete_netns(name: str) -> bool:
    """
    Kill every process in a network namespace, with all descendants, and delete the namespace.

    Returns:
        False if there is none of that name.

    Raises:
        IsolationError: a process survives SIGKILL, or the mount cannot be detached.
    """
    path = netns_path(name)
    if not path.exists():
        return False
    if path in mounted_below(path):
        inode = path.stat().st_ino
        if inode == os.stat("/proc/self/ns/net").st_ino:
            raise IsolationError(f"cannot remove network namespace '{name}': this process is in it")
        for _ in range(5):  # a member may fork between the search and the kill
            members = with_descendants(find_in_netns(inode))
            if not members:
                break
            sockets = _bound_sockets(members)
            left = kill_all(members)
            for socket, uid in sockets.items():  # a killed shim leaves its socket in /run/containerd/s
                _delete_socket(socket, uid)
            if left:
                raise IsolationError(f"cannot end process {left[0].pid} in network namespace '{name}'")
        unmount(path)
    path.unlink(missing_ok=True)
    return True


def _bound_sockets(members: list[Process]) -> dict[Path, int]:
    """Return the socket files bound in our mount namespace (proc_net(5), unix), each with the uid of its maker."""
    found = {}
    here = os.stat("/proc/self/ns/mnt").st_ino
    for member in members:
        folder = Path(f"/proc/{member.pid}")
        with contextlib.suppress(OSError):  # the process ended meanwhile
            if (folder / "ns" / "mnt").stat().st_ino != here:
                continue
            held = {os.readlink(fd): fd for fd in (folder / "fd").iterdir()}
            for line in (folder / "net" / "unix").read_text("utf-8", errors="surrogateescape").splitlines()[1:]:
                fields = line.split(maxsplit=7)  # Num RefCount Protocol Flags Type St Inode Path
                if len(fields) == 8 and fields[7].startswith("/") and (fd := held.get(f"socket:[{fields[6]}]")):
                    found[Path(fields[7])] = fd.stat().st_uid
    return found


def _delete_socket(path: Path, uid: int) -> None:
    """
    Delete a socket file, unless another user can change its path.

    Its process chose the path: it may have put a link to a socket of the host on it since, or have bound it in a root
    folder of its own (chroot(2)), where the same path names another file.

    Args:
        path: the path that the process bound.
        uid: the user who made the socket; bind(2) gives the file to this user.
    """
    with contextlib.suppress(OSError, IsolationError), Folder.open(path.parent) as folder:
        status = folder.status(path.name)
        if status is not None and stat.S_ISSOCK(status.st_mode) and status.st_uid == uid:
            os.unlink(path.name, dir_fd=folder.fd)


def _run(argv: list[str], name: str) -> None:
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IsolationError(f"cannot make network namespace '{name}': {error}", hint=_mend()) from None
    if done.returncode:
        why = done.stderr.strip().splitlines() or [f"exit status {done.returncode}"]
        raise IsolationError(f"cannot make network namespace '{name}': {why[-1]}", hint=_mend())


def _mend() -> str:
    return unless_root(f"run as root: {NEEDS}", f"run where root has it: {NEEDS}")
