"""Checks of device nodes below /dev."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.capabilities import mask_of
from pytest_isolation.walls.filesystem.devices import (
    FUSE_TUN,
    MEMORY,
    PASSED_RULES,
    VIRTUALISATION,
    all_devices,
    host_terminals,
    is_default,
    openable,
    rules_beyond,
    why_unrestricted,
)
from pytest_isolation.walls.filesystem.rootfs import shared_memory


@pytest.mark.isolation(
    "dev.nodes",
    severity="high",
    profile="baseline",
    gains="talks to drivers that it should not reach",
    refs=["OCI runtime-spec default devices", "CIS Docker 5.18"],
    shows=["system.devices", "system.nodes"],
    reproduce="find / -xdev -type b -o -type c | xargs ls -l; find /dev -type b -o -type c | xargs ls -l",
    remedy="drop --device, --privileged and -v /dev:/dev; build the image without device nodes",
)
def test_dev_holds_the_default_devices_only(sandbox: SandboxView) -> None:
    """
    `/dev` holds only the OCI default devices, and no other device node is found in the root.

    In /dev both number (major and minor) and name count, elsewhere the number.
    The walk through the root sees at most 20,000 entries in 10 ms, first the folders near the root.
    It enters mounts of devtmpfs and whole tmpfs, and no volumes; the fact `system.nodes` says how far it came.
    In a sandbox with its own kernel the nodes lead to that kernel's drivers.
    """
    if not sandbox.shares_kernel:
        return
    strange = [device.path for device in all_devices(sandbox.system) if not is_default(device)]
    if strange:
        raise Open(f"it also has {', '.join(strange[:8])}{' …' if len(strange) > 8 else ''}")


@pytest.mark.isolation(
    "dev.block",
    severity="critical",
    profile="baseline",
    gains="reads the host's disks below their file systems, and writes them as root",
    refs=["OCI runtime-spec linux.devices", "Documentation/admin-guide/devices.txt"],
    shows=["system.devices", "system.nodes"],
    reproduce="find /dev -type b -exec head -c0 {} ';' -print",
    remedy="drop --device and --privileged, and a VM's raw disks of the host",
)
def test_no_block_device_of_the_host_opens(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    No host block device can be opened.

    The probe opens each block node that it finds, for reading, and closes it.
    A VM's disks are its own unless its hypervisor's process has a block device of the host open.
    """
    if not sandbox.shares_kernel and not sandbox.has_outside:
        nodes = {device.path for device in host_facts.system.devices if device.kind == "block"}
        given = sorted({fd.target for fd in sandbox.vmm.process.fds} & nodes)
        if given:
            raise Open(f"its hypervisor has the host's {', '.join(given)} open")
        return
    blocks = [device for device in all_devices(sandbox.system) if device.kind == "block"]
    opened = [device.path for device in blocks if device.open == "ok"]
    if opened:
        raise Open(f"{', '.join(opened)} opens for reading")
    untried = [device.path for device in blocks if device.open is None]
    if untried:
        raise UnobservedFact("system.devices", "", f"opening {untried[0]} was not tried")


@pytest.mark.isolation(
    "dev.cgroup",
    severity="high",
    profile="baseline",
    gains="opens a device with a node that it made itself",
    refs=["cgroup-v2.rst: Device controller", "cgroup-v1/devices.rst"],
    kinds=["container"],
    kinds_reason="a VM's nodes lead to its own kernel's drivers",
    shows=["system.device_node", "process.device_rules", "process.capabilities"],
    reproduce="mknod -m 600 /tmp/n c 60 250 && head -c0 /tmp/n; rm /tmp/n    # 'No such device': the rules let it pass",
    remedy="restrict devices: drop --privileged, CAP_MKNOD and allow rules beyond the default devices",
)
def test_a_node_that_was_not_granted_does_not_open(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    A node made inside for a device not granted cannot be opened.

    The probe makes a node with a number that no driver has, and opens it: ENXIO means that only the driver was missing.
    If it can make none (no CAP_MKNOD, a user namespace), the rules decide, as the host sees them.
    In a user namespace no node opens at all.
    In an attached sandbox nothing is made: the rules alone decide.
    With CAP_MKNOD every line of devices.list (cgroup v1) counts that lets another device be read or written than the
    default ones: one block device is enough.
    The programs of cgroup v2 cannot be read as rules: there the try alone decides.
    """
    if not sandbox.shares_kernel:
        return
    if not sandbox.target.attached:
        result = sandbox.system.device_node
        if result in PASSED_RULES:
            raise Open(f"a node of its own opens ({result})")
    if sandbox.namespaces.user == host_facts.namespaces.user:
        rules = sandbox.process.device_rules
        why = why_unrestricted(rules)
        if why:
            raise Open(why)
        if sandbox.capabilities_over_host & mask_of(["MKNOD"]) and rules_beyond(rules, sandbox.target.runtime, ()):
            lines = rules_beyond(rules, sandbox.target.runtime, all_devices(sandbox.system))
            if lines:
                raise Open(f"devices.list of its cgroup says '{lines[0]}', and CAP_MKNOD makes the node")


@pytest.mark.isolation(
    "dev.mem",
    severity="critical",
    profile="baseline",
    gains="reads and writes the machine's memory and ports",
    refs=["mem(4)"],
    shows=["system.devices", "system.nodes"],
    reproduce="head -c0 /dev/mem /dev/kmem /dev/port",
    remedy="drop --device /dev/mem, --privileged and CAP_SYS_RAWIO",
)
def test_physical_memory_and_ports_do_not_open(sandbox: SandboxView) -> None:
    """
    `/dev/mem`, `/dev/port`, `/dev/kmem` are absent or refused.

    The device number decides, not the name of the node.
    """
    if not sandbox.shares_kernel:
        return
    found = openable(all_devices(sandbox.system), MEMORY)
    if found:
        raise Open(f"{', '.join(found)} opens")


@pytest.mark.isolation(
    "dev.kvm_vhost",
    severity="high",
    profile="baseline",
    gains="runs guests, or reaches the kernel's virtualisation code",
    refs=["Documentation/virt/kvm/api.rst"],
    kinds=["container"],
    kinds_reason="a VM's /dev/kvm is its own kernel's",
    shows=["system.devices", "system.nodes"],
    reproduce="head -c0 /dev/kvm /dev/vhost-net /dev/vhost-vsock /dev/vfio/vfio",
    remedy="drop --device /dev/kvm and --privileged",
)
def test_kvm_vhost_and_vfio_do_not_open(sandbox: SandboxView) -> None:
    """
    `/dev/kvm`, `/dev/vhost-*`, `/dev/vfio` are absent.

    The device number decides, not the name of the node.
    A node that rules or its mode refuse is only a finding of dev.nodes.
    """
    if not sandbox.shares_kernel:
        return
    found = openable(all_devices(sandbox.system), VIRTUALISATION)
    if found:
        raise Open(f"{', '.join(found)} opens")


@pytest.mark.isolation(
    "dev.fuse_tun",
    severity="medium",
    profile="baseline",
    gains="mounts file systems that it serves itself, or builds tunnels",
    refs=["fuse(4)", "Documentation/networking/tuntap.rst"],
    kinds=["container"],
    kinds_reason="a VM's nodes lead to its own kernel's drivers",
    shows=["system.devices", "system.nodes"],
    reproduce="head -c0 /dev/fuse /dev/net/tun",
    remedy="drop --device /dev/fuse and --device /dev/net/tun",
)
def test_fuse_and_tun_do_not_open(sandbox: SandboxView) -> None:
    """`/dev/fuse` and `/dev/net/tun` are absent unless declared."""
    if not sandbox.shares_kernel:
        return
    found = openable(all_devices(sandbox.system), FUSE_TUN)
    if found:
        raise Open(f"{', '.join(found)} opens")


@pytest.mark.isolation(
    "dev.tty",
    severity="high",
    profile="baseline",
    gains="reads and writes the host's terminals",
    refs=["pty(7)", "CVE-2016-2779", "CVE-2017-5226"],
    kinds=["container"],
    kinds_reason="a VM's terminals are its own kernel's",
    shows=["process.mounts", "process.handles"],
    reproduce="ls -l /proc/PID/fd; grep devpts /proc/PID/mountinfo /proc/1/mountinfo    # on the host",
    remedy="mount a new devpts inside; start it without a terminal, or with its own",
)
def test_terminals_are_its_own(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    Terminals are a private devpts instance; the host console is out of reach.

    File systems decide: no devpts of the host is mounted, and descriptors 0 to 2 lead to no terminal on one, and to no
    console in the host's /dev.
    """
    if not sandbox.shares_kernel:
        return
    hosts = host_facts.process.mounts
    instances = {(m.major, m.minor) for m in hosts if m.fstype == "devpts"}
    shown = [m.target for m in sandbox.process.mounts if m.fstype == "devpts" and (m.major, m.minor) in instances]
    if shown:
        raise Open(f"{shown[0]} is the host's devpts")
    dev = {(m.major, m.minor) for m in hosts if m.target == "/dev"}
    handles = {name: sandbox.process.handles[name] for name in "012" if name in sandbox.process.handles}
    found = host_terminals(handles, instances | dev)
    if found:
        raise Open(f"descriptor {', '.join(found)} is a terminal of the host's")


@pytest.mark.isolation(
    "dev.tiocsti",
    severity="high",
    profile="baseline",
    gains="types commands into the terminal that started it",
    refs=["CVE-2017-5226", "TIOCSTI(2const)", "Documentation/admin-guide/sysctl: dev.tty.legacy_tiocsti"],
    kinds=["container"],
    kinds_reason="a VM has no terminal of the host's",
    shows=["process.terminal", "system.legacy_tiocsti"],
    reproduce="ps -o pid,sid,tty -p PID; cat /proc/sys/dev/tty/legacy_tiocsti    # on the host",
    remedy="start it in its own session (setsid, bwrap --new-session); sysctl dev.tty.legacy_tiocsti=0",
)
def test_no_input_is_pushed_into_the_terminal_that_started_it(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    The sandbox cannot push input into the terminal that started it.

    The check tries no ioctl.
    The sandbox could push input if the leader of its terminal's session is outside, and the kernel allows TIOCSTI
    without CAP_SYS_ADMIN (Linux 6.2 added a switch).
    """
    if not sandbox.shares_kernel or sandbox.process.terminal.tty == 0:
        return
    if sandbox.namespaces.pid == host_facts.namespaces.pid:
        shared = sandbox.process.terminal.session != sandbox.process.pid
    else:
        shared = sandbox.inside.process.terminal.session == 0
    switched_off = host_facts.system.legacy_tiocsti == 0 and not sandbox.capabilities_over_host & mask_of(["SYS_ADMIN"])
    if shared and not switched_off:
        raise Open("it shares session and terminal with the process that started it")


@pytest.mark.isolation(
    "dev.shm",
    severity="medium",
    profile="baseline",
    gains="reads others' shared memory or fills the host's memory",
    refs=["shm_overview(7)", "tmpfs(5)"],
    kinds=["container"],
    kinds_reason="a VM's memory is its own kernel's",
    shows=["process.mounts"],
    reproduce="grep -E '/dev/(shm|mqueue)' /proc/PID/mountinfo /proc/1/mountinfo    # on the host",
    remedy="drop --ipc=host and -v /dev/shm:/dev/shm; give it a size: --shm-size",
)
def test_shared_memory_is_its_own_and_bounded(sandbox: SandboxView, host_facts: HostView) -> None:
    """
    `/dev/shm` and `/dev/mqueue` are its own and bounded.

    A fresh mqueue in the host's IPC namespace is the host's: ns.ipc reports it.
    """
    if not sandbox.shares_kernel:
        return
    own_ipc = sandbox.namespaces.ipc != host_facts.namespaces.ipc
    found = shared_memory(sandbox.process.mounts, host_facts.process.mounts, own_ipc)
    if found:
        raise Open("; ".join(found))
