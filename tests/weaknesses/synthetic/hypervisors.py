"""Synthetic weaknesses and look-alikes: the hypervisor's process, and who reaches its sockets."""

from __future__ import annotations

from functools import partial

from facts_factory import INITIAL, Dict
from sound.vm import listener
from weakness import Edit, Lookalike, add, proc, put, weak

from pytest_isolation.walls.capabilities import mask_of

of_vm = partial(weak, record="vm")
looks = partial(Lookalike, record="vm")
PERMITTED = ("vmm", "process", "capabilities", "permitted")


def listens(*words: object, **more: object) -> Edit:
    """Return the edit that adds a socket to those of the hypervisor's process."""
    return add("vmm", "listeners", item=listener(*words, **more))  # type: ignore[arg-type]


def opened(target: str) -> Edit:
    """Return the edit that adds a descriptor to those of the hypervisor's process."""
    return add("vmm", "process", "fds", item={"fd": 9, "target": target})


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
    looks("no socket at all", edit=put("vmm", "listeners", to=[])),
)
