"""Which device nodes every sandbox has, which lead to the host, and which rules restrict them.

In: facts.  Out: names and reasons.  Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping

from provisioner.errors import UnobservedFact
from provisioner.facts.descriptors import Handle
from provisioner.facts.devices import Device, DeviceRules
from provisioner.facts.system import System

# config-linux.md "Default Devices", numbers of Documentation/admin-guide/devices.txt
DEFAULTS = {
    "/dev/null": (1, 3),
    "/dev/zero": (1, 5),
    "/dev/full": (1, 7),
    "/dev/random": (1, 8),
    "/dev/urandom": (1, 9),
    "/dev/tty": (5, 0),
    "/dev/console": (5, 1),
    "/dev/ptmx": (5, 2),
    "/dev/pts/ptmx": (5, 2),
}
PTY_SLAVES = range(136, 144)
RTC = (10, 135)  # devices.txt: the real-time clock under its old number
CLOCK_NAMES = re.compile(r"/(rtc|ptp)[0-9]*\Z")


# the numbers that are harmless everywhere: 5:1 is the console of the host unless a runtime binds another terminal there
HARMLESS = frozenset(DEFAULTS.values()) - {(5, 1)}
WHITEOUT = (0, 0)  # overlayfs.rst: hides a file of a lower layer; no driver has the number


def all_devices(system: System) -> list[Device]:
    """
    Return the device nodes below /dev, and those that the walk through the root found.

    Raises:
        UnobservedFact: one of the two was not looked at.
    """
    return [*system.devices, *system.nodes.devices]


def is_default(device: Device) -> bool:
    """
    Whether it is a default device by name *and* number; the slave of a pty may be the console.

    Outside /dev, where programs with a root of their own keep some, the number alone decides.
    """
    if device.kind != "char":
        return False
    if not device.path.startswith("/dev/"):
        return (device.major, device.minor) in {*HARMLESS, WHITEOUT}
    if device.major in PTY_SLAVES:
        return device.path == "/dev/console" or device.path.startswith("/dev/pts/")
    return DEFAULTS.get(device.path) == (device.major, device.minor)


# Documentation/admin-guide/devices.txt: mem, kmem and port; devices of major 10 that reach the host's kernel
MEMORY = frozenset({(1, 1), (1, 2), (1, 4)})
KERNEL_LOG = frozenset({(1, 11)})
VIRTUALISATION = frozenset({(10, 232), (10, 238), (10, 241), (10, 196)})  # kvm, vhost-net, vhost-vsock, vfio
FUSE_TUN = frozenset({(10, 229), (10, 200)})
TERMINALS = frozenset({4, 5, *PTY_SLAVES, 204, 229})  # consoles, tty and console, ptys, serial lines, hvc
# The rules let the open pass: the kernel then looked for a driver
PASSED_RULES = frozenset({"ok", "ENXIO", "ENODEV"})


def openable(devices: Iterable[Device], numbers: Collection[tuple[int, int]]) -> list[str]:
    """
    Return the paths of the character devices with these numbers that open.

    Raises:
        UnobservedFact: such a device exists and opening it was not tried.
    """
    found = [one for one in devices if one.kind == "char" and (one.major, one.minor) in numbers]
    untried = [one.path for one in found if one.open is None]
    if untried:
        raise UnobservedFact("system.devices", "", f"opening {untried[0]} was not tried")
    return [one.path for one in found if one.open == "ok"]


def why_unrestricted(rules: DeviceRules) -> str:
    """
    Say why no rules restrict devices; "" if they do.

    On v1 a line of devices.list such as "a *:* rwm" lifts the rules (Documentation/admin-guide/cgroup-v1/devices.rst);
    mknod alone (m) is harmless.
    On v2 the cgroup and those above it have no BPF_CGROUP_DEVICE program.
    """
    if rules.version == 2:
        return "" if rules.programs else "no BPF_CGROUP_DEVICE program rules its cgroup"
    for line in rules.rules:
        kind, number, access = (*line.split(), "", "", "")[:3]
        if number.startswith("*:") and (kind == "a" or set(access) & set("rw")):
            return f"devices.list of its cgroup says '{line}'"
    return ""


# config-linux.md "Default Devices" as rules: kind, major, minor
DEFAULT_RULES = frozenset(
    {*(("c", str(major), str(minor)) for major, minor in DEFAULTS.values()), ("c", "136", "*"), ("c", "5", "1")}
)
# What runtimes allow beyond these, each without making the node
DOCUMENTED_RULES = {
    "lxc": {("c", "10", "229")},  # config/templates/common.conf.in: fuse
    # runc before 1.2, libcontainer/specconv AllowedDevices: tun
    **{runtime: {("c", "10", "200")} for runtime in ("runc", "docker", "podman")},
}


def rules_beyond(rules: DeviceRules, runtime: str, devices: Iterable[Device]) -> list[str]:
    """
    Return the lines of devices.list that let another device be read or written than the default ones.

    A line for exactly one device of which the sandbox has the node is left out: dev.nodes reports the node.

    Args:
        rules: the rules of the sandbox's cgroup.
        runtime: the runtime's name: some allow one more device.
        devices: the nodes that the sandbox has.
    """
    known = {(device.kind[0], str(device.major), str(device.minor)) for device in devices}
    known |= DEFAULT_RULES | DOCUMENTED_RULES.get(runtime, set())
    found = []
    for line in rules.rules:
        kind, number, access = (*line.split(), "", "", "")[:3]
        major, _, minor = number.partition(":")
        if set(access) & set("rw") and (kind, major, minor) not in known:
            found.append(line)
    return found


def host_terminals(handles: Mapping[str, Handle], filesystems: Collection[tuple[int, int]]) -> list[str]:
    """Return those of the descriptors that are a terminal on one of these file systems (major, minor)."""
    return [
        name
        for name, handle in handles.items()
        if handle.type == "char"
        and handle.rdev is not None
        and handle.rdev[0] in TERMINALS
        and (handle.major, handle.minor) in filesystems
    ]


def is_clock(device: Device) -> bool:
    """
    Whether it is a hardware clock, by its name or by the fixed number of the RTC; other clocks have dynamic numbers.
    """
    return device.kind == "char" and (
        CLOCK_NAMES.search(device.path) is not None or (device.major, device.minor) == RTC
    )
