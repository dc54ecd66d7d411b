"""What the hypervisor's process may do on the host, and who reaches its sockets.

In: the process and its listeners as the host sees them, and the host's own process.  Out: reasons.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.facts.platform import Listener
from provisioner.facts.process import Process
from provisioner.observed import Unobserved
from pytest_isolation.walls.labels import why_unconfined

# Devices that lead past all walls of the host, or to its keyboards, sound and USB devices
SENSITIVE_DEVICES = ("/dev/mem", "/dev/kmem", "/dev/port", "/dev/bus/usb/", "/dev/snd/", "/dev/input/", "/dev/uinput")
# Devices that a hypervisor needs (Documentation/admin-guide/devices.txt; linux/miscdevice.h)
NEEDED = {
    (1, 3): "null",
    (1, 5): "zero",
    (1, 7): "full",
    (1, 8): "random",
    (1, 9): "urandom",
    (5, 2): "ptmx, a pseudoterminal of its own",
    (10, 183): "hwrng",
    (10, 196): "vfio: dev.block and vm.devices judge what is handed on",
    (10, 200): "tun",
    (10, 232): "kvm",
    (10, 238): "vhost-net",
    (10, 241): "vhost-vsock: vm.vsock judges it",
}
PSEUDOTERMINALS, CONSOLES = range(136, 144), (4, 5)
# Those that have no fixed number
NEEDED_NAMES = (
    *("/dev/vfio/", "/dev/iommu", "/dev/vhost-", "/dev/tap", "/dev/userfaultfd", "/dev/udmabuf"),
    *("/dev/sev", "/dev/sgx_", "/dev/dri/renderD", "/dev/vboxdrv", "/dev/vboxnetctl", "/dev/vmmon", "/dev/vmnet"),
)


def why_unconfined_process(process: Process, host: Process) -> str | None:
    """
    Return the first wall that the hypervisor's process lacks; None if all hold.

    Capabilities count only in the host's own user namespace (user_namespaces(7)).
    """
    if 0 in process.uid:
        return "runs as root on the host"
    held = process.capabilities.effective | process.capabilities.permitted
    if held and process.namespaces.user == host.namespaces.user:
        return f"has capabilities over the host ({held:#x})"
    if process.seccomp.mode != 2:
        return "has no seccomp filter"
    if process.namespaces.mnt == host.namespaces.mnt:
        return "is in the host's mount namespace"
    if host.lsm and (label := why_unconfined(process.lsm, host.lsm)):
        return f"is not labelled: {label}"
    opened = _foreign_devices(process)
    return f"has the host's {opened[0]} open" if opened else None


def _foreign_devices(process: Process) -> list[str]:
    """Return the character devices that a hypervisor has open and does not need: by number, whatever their names."""
    targets = {str(fd.fd): fd.target for fd in process.fds}
    named = [target for target in targets.values() if target.startswith(SENSITIVE_DEVICES)]
    handles = process.raw("handles")
    if isinstance(handles, Unobserved):
        return named
    for fd, handle in handles.root.items():
        if isinstance(handle, Unobserved) or handle.rdev is None or handle.type != "char":
            continue
        target = targets.get(fd, fd)
        if not _is_needed(int(fd) if fd.isdecimal() else None, tuple(handle.rdev), target) and target not in named:
            named.append(target)
    return named


def _is_needed(fd: int | None, number: tuple[int, ...], target: str) -> bool:
    if number in NEEDED or number[0] in PSEUDOTERMINALS or target.startswith(NEEDED_NAMES):
        return True
    return fd in (0, 1, 2) and number[0] in CONSOLES  # where it was started


def reachable(listeners: Iterable[Listener]) -> list[str]:
    """Return the sockets that other users of the host can connect to."""
    return [_named(listener) for listener in listeners if listener.others]


def _named(listener: Listener) -> str:
    if listener.family == "unix":
        return f"the socket {listener.address}"
    address = f"[{listener.address}]" if listener.family == "tcp6" else listener.address
    return f"port {address}:{listener.port}"
