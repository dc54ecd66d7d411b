"""Synthetic weaknesses and look-alikes: the hypervisor's process, and who reaches its sockets."""

from __future__ import annotations

from functools import partial

from fact_parts import INITIAL, Dict
from sound.vm import backing, connection, listener
from weakness import Edit, Lookalike, add, proc, put, weak

from pytest_isolation.walls.capabilities import mask_of

of_vm = partial(weak, record="vm")
looks = partial(Lookalike, record="vm")
PERMITTED = ("vmm", "process", "capabilities", "permitted")


def listens(*words: object, **more: object) -> Edit:
    """Return the edit that adds a socket to those of the hypervisor's process."""
    return add("vmm", "listeners", item=listener(*words, **more))  # type: ignore[arg-type]  # a star hides the types


def opened(target: str) -> Edit:
    """Return the edit that adds a descriptor to those of the hypervisor's process."""
    return add("vmm", "process", "fds", item={"fd": 9, "target": target})


def opened_number(target: str, major: int, minor: int) -> Edit:
    """Return the edit that adds a character device to what the hypervisor's process has open."""

    def edit(document: Dict) -> None:
        opened(target)(document)
        device = {"type": "char", "major": 0, "minor": 5, "inode": 9, "mount": 1, "rdev": [major, minor]}
        document["vmm"]["process"]["handles"]["9"] = device

    return edit


def uses(path: str, type_: str = "file", **more: object) -> Edit:
    """Return the edit that adds a file to those of the hypervisor's process."""
    return add("vmm", "backings", item=backing(path, type_, **more))


def connects(*words: object) -> Edit:
    """Return the edit that adds a socket which the hypervisor's process has connected."""
    return add("vmm", "connections", item=connection(*words))  # type: ignore[arg-type]  # a star hides the types


READ, BOTH = {"others_read": True, "mode": 0o644}, {"others_read": True, "others_write": True, "mode": 0o666}


def in_own_user_namespace(document: Dict) -> None:
    """Let the process hold a capability where it is worth nothing."""
    process = document["vmm"]["process"]
    process["namespaces"]["user"] += 5000
    process["capabilities"]["permitted"] = mask_of(["SYS_ADMIN"])


WEAKNESSES = (
    of_vm("vm.process", "root", proc("vmm", "uid", [0] * 4), "runs as root", "user.root_mapped"),
    of_vm("vm.process", "root may come back", proc("vmm", "uid", [64055, 64055, 0, 64055]), "root", "user.root_mapped"),
    of_vm("vm.process", "no filter", proc("vmm", "seccomp", {"mode": 0, "filters": 0}), "no seccomp", "seccomp.mode"),
    of_vm(
        "vm.process", "no label", proc("vmm", "lsm", "unconfined"), "is not labelled", "lsm.confined", "lsm.enforcing"
    ),
    of_vm(
        "vm.process",
        "the host's mounts",
        put("vmm", "process", "namespaces", "mnt", to=INITIAL["mnt"]),
        "mount namespace",
    ),
    of_vm(
        "vm.process",
        "a capability",
        put(*PERMITTED, to=mask_of(["NET_ADMIN"])),
        "has capabilities over the host",
    ),
    of_vm("vm.process", "a USB device", opened("/dev/bus/usb/001/002"), "usb"),
    of_vm("vm.process", "memory under another name", opened_number("/srv/m", 1, 1), "has the host's /srv/m open"),
    of_vm("vm.process", "a serial port", opened_number("/dev/ttyS0", 4, 64), "has the host's /dev/ttyS0 open"),
    of_vm(
        "vm.host_files",
        "memory that all read",
        uses("/dev/shm/guest", mapped=True, **READ),
        "its guest's memory is the file /dev/shm/guest, which every user of the host may read (mode 0644)",
    ),
    of_vm("vm.host_files", "a disk that all write", uses("/srv/a.img", **BOTH), "may read and write (mode 0666)"),
    of_vm("vm.host_files", "a base image that all write", uses("/srv/b.img", access="r", **BOTH), "/srv/b.img"),
    of_vm("vm.host_files", "a log that all read", uses("/var/log/c.log", access="w", **READ), "/var/log/c.log"),
    of_vm("vm.host_files", "a pipe for all", uses("/run/c.in", "fifo", **BOTH), "the named pipe /run/c.in"),
    of_vm("vm.host_files", "a terminal for all", uses("/dev/pts/9", "char", **BOTH), "the terminal /dev/pts/9"),
    of_vm("vm.host_files", "a pid file that all write", uses("/run/q.pid", pid=True, **BOTH), "may write (mode 0666)"),
    of_vm(
        "vm.host_files", "another user's disk", uses("/home/u/d.img", uid=1000), "another user of the host (uid 1000"
    ),
    of_vm(
        "vm.host_channels",
        "an engine's socket",
        connects("/run/docker.sock", "dockerd", 0),
        "connected to the socket /run/docker.sock, where dockerd serves as uid 0",
    ),
    of_vm("vm.host_channels", "a port", connects("127.0.0.1", None, None, "tcp", 6379), "port 127.0.0.1:6379"),
    of_vm("vm.host_channels", "a port of IPv6", connects("::1", None, None, "tcp6", 22), "port [::1]:22"),
    of_vm("vm.host_sockets", "VNC on loopback", listens("tcp", "127.0.0.1", 5900, others=True), "port 127.0.0.1:5900"),
    of_vm("vm.host_sockets", "VNC on all", listens("tcp6", "::", 5900, others=True), "port [::]:5900"),
    of_vm(
        "vm.host_sockets", "QMP for all", listens("unix", "/tmp/qmp", mode=0o777, others=True), "the socket /tmp/qmp"
    ),
    of_vm("vm.host_sockets", "an abstract name", listens("unix", "@monitor", others=True), "the socket @monitor"),
)

LOOKALIKES = (
    looks("capabilities in a user namespace of its own", edit=in_own_user_namespace),
    looks("a tap device", edit=opened("/dev/net/tun")),
    looks("a socket for all in a folder for one", edit=listens("unix", "/run/qemu/qmp", mode=0o777)),
    looks("a base image that all read", edit=uses("/srv/base.img", access="r", **READ)),
    looks("a pid file that all read", edit=uses("/run/q.pid", pid=True, uid=0, **READ)),
    looks("another user's terminal", edit=uses("/dev/pts/4", "char", uid=1000, mode=0o620)),
    looks("a file of root", edit=uses("/var/log/q.log", access="w", uid=0)),
    looks("KVM", edit=opened_number("/dev/kvm", 10, 232)),
    looks("another machine", edit=connects("192.0.2.9", None, None, "tcp", 443)),
    looks("no socket at all", edit=put("vmm", "listeners", to=[])),
)
