"""What the hypervisor's process may do on the host, and who reaches its sockets.

In: the process and its listeners as the host sees them, and the host's own process.  Out: reasons.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.facts.platform import Listener
from provisioner.facts.process import Process
from pytest_isolation.walls.labels import why_unconfined

# Devices that lead past all walls of the host, or to its keyboards, sound and USB devices
SENSITIVE_DEVICES = ("/dev/mem", "/dev/kmem", "/dev/port", "/dev/bus/usb/", "/dev/snd/", "/dev/input/", "/dev/uinput")


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
    opened = [fd.target for fd in process.fds if fd.target.startswith(SENSITIVE_DEVICES)]
    return f"has the host's {opened[0]} open" if opened else None


def reachable(listeners: Iterable[Listener]) -> list[str]:
    """Return the sockets that other users of the host can connect to."""
    return [_named(listener) for listener in listeners if listener.others]


def _named(listener: Listener) -> str:
    if listener.family == "unix":
        return f"the socket {listener.address}"
    address = f"[{listener.address}]" if listener.family == "tcp6" else listener.address
    return f"port {address}:{listener.port}"
