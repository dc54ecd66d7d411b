"""Checks of a guest's machine: its hypervisor, its devices, and the ways from it to the host."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from pytest_isolation.policy.raised import Open
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.machine import platforms


def _require_own_kernel(sandbox: SandboxView) -> None:
    """Fail unless the sandbox has its own kernel: otherwise it sees the devices of the host."""
    kernel = sandbox.host.system.kernel.release
    if sandbox.shares_kernel:
        raise Open(f"it runs on the host's kernel {kernel} and sees the host's own machine")


@pytest.mark.isolation(
    "vm.hypervisor",
    severity="low",
    profile="privileged",
    gains="hides its platform from audits",
    refs=["Intel SDM vol. 2A, CPUID", "Documentation/virt/kvm/x86/cpuid.rst"],
    kinds=["vm"],
    kinds_reason="no hypervisor is between a container and its processor",
    shows=["platform.hypervisor", "platform.signatures", "platform.vendor", "platform.product"],
    reproduce="grep -o hypervisor /proc/cpuinfo; cat /sys/class/dmi/id/sys_vendor",
    remedy="let the hypervisor show itself: drop -cpu ...,-hypervisor and kvm=off",
)
def test_the_hypervisor_bit_says_what_the_target_claims(sandbox: SandboxView) -> None:
    """
    The hypervisor bit says what the target claims.

    Hypervisors set bit 31 of ECX in CPUID leaf 1, and leaf 0x40000000 names them: an emulator of every instruction, or
    one that uses the processor.
    A hypervisor may hide itself; then the verdict is unknown.
    """
    _require_own_kernel(sandbox)
    platform = sandbox.system.platform
    if not platform.hypervisor:
        raise UnobservedFact("platform.hypervisor", "", "the processor shows no hypervisor to the guest")
    known = [name for name in platform.signatures if name in platforms.SIGNATURES]
    if not known:
        raise UnobservedFact("platform.signatures", "", f"no known hypervisor has the signatures {platform.signatures}")
    claimed = "emulation" if sandbox.target.class_ == "emulation" else "hardware-assisted"
    strange = [name for name in known if platforms.SIGNATURES[name] != claimed]
    if strange:
        raise Open(f"it claims to be {sandbox.target.class_}, and {strange[0]} answers")


@pytest.mark.isolation(
    "vm.devices",
    severity="high",
    profile="baseline",
    gains="attacks the emulation of a device that the guest does not need",
    refs=["QEMU docs/system/security.rst", "CVE-2015-3456", "CVE-2019-14378", "CVE-2021-3947"],
    kinds=["vm"],
    kinds_reason="a container's devices are nodes in /dev: dev.nodes",
    shows=["platform.devices", "platform.ports"],
    reproduce="cat /sys/bus/pci/devices/*/{vendor,device}; ls /sys/bus/usb/devices /sys/bus/acpi/devices    # inside",
    remedy="remove the device (-nodefaults; in a domain's XML), or declare it in the role's runtime.yaml: devices",
)
def test_only_declared_devices_are_emulated(sandbox: SandboxView) -> None:
    """
    Only declared devices are emulated (no floppy, sound, USB redirect, SPICE agent, balloon unless declared).

    `devices` in the runtime's role must list every device on the guest's PCI, USB and virtio buses, and every device
    that the firmware describes.
    The check cannot tell a second device of a declared kind from the first, and does not see an ISA device that no
    table describes.
    """
    _require_own_kernel(sandbox)
    declared = sandbox.target.devices
    if declared is None:
        raise UnobservedFact("target.devices", "", f"'{sandbox.target.runtime}' declares no devices")
    strange = platforms.undeclared(sandbox.system.platform.devices, declared)
    if strange:
        raise Open(f"it also has {', '.join(strange[:6])}{' …' if len(strange) > 6 else ''}")


@pytest.mark.isolation(
    "vm.disk_reuse",
    severity="high",
    profile="baseline",
    gains="reads what another tenant left on the disk",
    refs=["virsh(1), vol-wipe", "lvcreate(8), --wipesignatures", "open(2), O_EXCL"],
    kinds=["vm"],
    kinds_reason="a container's files are layers of an image: mnt.layers",
    shows=["disks"],
    reproduce="cmp -n 1048576 /dev/zero /dev/vdb    # inside, a disk without mounts",
    remedy="create it as a new sparse file or thin volume, or wipe it: virsh vol-wipe, blkdiscard --zeroout",
)
def test_a_new_disk_holds_no_old_data(sandbox: SandboxView) -> None:
    """
    A new disk holds no old data.

    The probe reads the first and the last MiB, and 63 blocks between, of each writable disk that the guest does not
    use: all must be zero.
    A disk with a mounted file system belongs to the image, and a read-only disk is meant to be read (cloud-init's
    seed): a guest cannot tell what is old on them.
    """
    _require_own_kernel(sandbox)
    disks = sandbox.system.disks
    if disks is None:
        raise UnobservedFact("system.disks", "", "the guest's disks were not read")
    new = [disk for disk in disks if not disk.used and not disk.read_only]
    if not new:
        pytest.skip("the guest has no new disk: only its image's, or none")
    old = [f"{disk.name} at byte {disk.data_at}" for disk in new if disk.data_at is not None]
    if old:
        raise Open(f"a disk that nothing uses holds data: {', '.join(old[:4])}")


@pytest.mark.isolation(
    "vm.shared_folder",
    severity="critical",
    profile="baseline",
    gains="reads and writes the host's files",
    refs=["Vagrant: Synced Folders", "virtio-v1.2, 5.9 and 5.11", "QEMU docs/system/invocation, -fsdev"],
    kinds=["vm"],
    kinds_reason="a container's host folders are mounts: mnt.host_paths",
    shows=["process.mounts", "platform.devices"],
    reproduce="grep -E ' (9p|virtiofs|vboxsf|vmhgfs|prl_fs) ' /proc/self/mounts    # inside",
    remedy='config.vm.synced_folder ".", "/vagrant", disabled: true; drop -fsdev, -virtfs and <filesystem>',
)
def test_no_folder_of_the_host_is_shared(sandbox: SandboxView) -> None:
    """
    No host folder is shared, or it is read-only as declared.

    A device may share a folder that is not mounted yet: the guest's root can mount it at any time.
    A folder with a declared device must be mounted, and read-only; the check does not try whether the host refuses
    writes.
    """
    _require_own_kernel(sandbox)
    shared = platforms.shared_folders(sandbox.inside.process.mounts)
    writable = [mount for mount in shared if not platforms.is_read_only(mount)]
    if writable:
        raise Open(f"a folder of the host is writable at {writable[0].target} ({writable[0].fstype})")
    offered = {device.id for device in sandbox.system.platform.devices} & platforms.SHARES.keys()
    declared = set(sandbox.target.devices or ())
    strange = sorted(offered - declared)
    if strange:
        raise Open(f"its root can mount a folder of the host: {platforms.SHARES[strange[0]]} ({strange[0]})")
    known = {platforms.SHARES[name] for name in platforms.SHARES.keys() & declared}
    undeclared = [mount for mount in shared if mount.fstype not in known]
    if undeclared:
        raise Open(f"a folder of the host can be read at {undeclared[0].target}, which no role declares")
    unmounted = {platforms.SHARES[name] for name in offered} - {mount.fstype for mount in shared}
    if unmounted:
        raise UnobservedFact("process.mounts", "", f"the shared folder is not mounted ({min(unmounted)})")


@pytest.mark.isolation(
    "vm.guest_agent",
    severity="medium",
    profile="restricted",
    gains="lets everybody who reaches the channel run commands in the guest",
    refs=["qemu-ga(8)", "spice-vdagentd(1)"],
    kinds=["vm"],
    kinds_reason="a container's host starts processes in it by the runtime's exec",
    shows=["platform.ports", "platform.devices", "system.tasks"],
    reproduce="cat /sys/class/virtio-ports/*/name; pgrep -a 'qemu-ga|vmtoolsd|VBoxService'    # inside",
    remedy="drop the channel org.qemu.guest_agent.0, or start qemu-ga with --allow-rpcs=guest-ping,guest-shutdown",
)
def test_no_agent_takes_any_order_of_the_host(sandbox: SandboxView) -> None:
    """
    The agent channel allows only declared commands.

    Only the host can ask an agent for its commands, and this suite does not.
    Therefore a channel for an agent, or a running agent, counts as open.
    """
    _require_own_kernel(sandbox)
    platform, system = sandbox.system.platform, sandbox.system
    running = sorted({task.name for task in system.tasks} & platforms.AGENTS)
    if running:
        raise Open(f"{running[0]} runs in it")
    devices = {device.id for device in platform.devices}
    found = sorted(devices & platforms.AGENT_DEVICES)
    if found:
        raise Open(f"it has a device for the host's orders: {found[0]}")
    if platform.ports is None:
        if devices & platforms.CONSOLES:
            raise UnobservedFact("platform.ports", "", "it has virtio-serial ports, and no driver that names them")
        return
    agents = [port for port in platform.ports if port.startswith(platforms.AGENT_PORTS)]
    if agents:
        raise Open(f"it has a port for the host's orders: {', '.join(agents)}")


@pytest.mark.isolation(
    "vm.vsock",
    severity="medium",
    profile="baseline",
    gains="reaches services of the host past its network's walls",
    refs=["vsock(7)", "virtio-v1.2, 5.10", "systemd-ssh-proxy(1)"],
    kinds=["vm"],
    kinds_reason="a container's vsock sockets are the host's own: seccomp.sockets",
    shows=["platform.devices", "system.tries[socket.vsock]"],
    reproduce="ls -l /proc/PID/fd | grep vhost-vsock    # on the host, PID of the hypervisor's process",
    remedy="drop -device vhost-vsock-pci and <vsock>, or declare the device in the role's runtime.yaml: devices",
)
def test_vsock_reaches_no_service_of_the_host(sandbox: SandboxView) -> None:
    """
    Vsock reaches no host service that is not declared.

    Without a device there is no way to the host.
    Both sides are observed: the device inside, and /dev/vhost-vsock in the hypervisor's process.
    The check does not try which services a declared device reaches.
    """
    _require_own_kernel(sandbox)
    offered = {device.id for device in sandbox.system.platform.devices} & platforms.VSOCKETS
    strange = sorted(offered - set(sandbox.target.devices or ()))
    if strange:
        raise Open(f"it has a vsock device that is not declared: {strange[0]}")
    opened = any(fd.target == "/dev/vhost-vsock" for fd in sandbox.vmm.process.fds)
    if not offered and opened:
        raise Open("its hypervisor's process has /dev/vhost-vsock open")
    if offered:
        raise UnobservedFact("platform.devices", "", "the services that its vsock reaches were not tried")


@pytest.mark.isolation(
    "vm.nested",
    severity="medium",
    profile="restricted",
    gains="reaches the host kernel's code for nested guests",
    refs=["Documentation/virt/kvm/x86/running-nested-guests.rst", "CVE-2021-29657"],
    kinds=["vm"],
    kinds_reason="a container runs guests through a device node: dev.kvm_vhost",
    shows=["platform.nested", "system.devices"],
    reproduce="grep -wo -E 'vmx|svm' /proc/cpuinfo; ls -l /dev/kvm    # inside",
    remedy="-cpu ...,vmx=off,svm=off; <feature policy='disable' name='vmx'/>; kvm_intel.nested=0",
)
def test_it_runs_no_guests_of_its_own(sandbox: SandboxView) -> None:
    """
    Nested virtualisation is off unless declared.

    The processor's own flags decide, which the guest's kernel may hide in /proc/cpuinfo, and /dev/kvm.
    """
    _require_own_kernel(sandbox)
    if any(one.path == "/dev/kvm" for one in sandbox.system.devices):
        raise Open("it has /dev/kvm")
    declared = sandbox.target.devices or ()
    found = [name for name in sandbox.system.platform.nested if f"cpu:{name}" not in declared]
    if found:
        raise Open(f"its processor has {', '.join(found)}")


@pytest.mark.isolation(
    "vm.keys",
    severity="critical",
    profile="baseline",
    gains="logs in with a key that everybody has",
    refs=["Vagrant: Creating a Base Box", "hashicorp/vagrant keys/README.md", "sshd(8)"],
    kinds=["vm"],
    kinds_reason="a runtime's exec enters a container, which needs no SSH server: CIS Docker 5.7",
    shows=["ssh.host", "ssh.authorized"],
    reproduce="cat /etc/ssh/ssh_host_*.pub /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys | ssh-keygen -lf -",
    remedy="config.ssh.insert_key = true; rm /etc/ssh/ssh_host_* in the image and create them at the first boot",
)
def test_its_keys_are_its_own(sandbox: SandboxView, peer: SandboxView, host_facts: HostView) -> None:
    """
    SSH host keys are the guest's own and no well-known key opens it.

    The check compares its host keys with those of the host and its peer.
    It compares the keys that may log in with those that Vagrant publishes with their private keys.
    It tries no login.
    Only root sees every user's authorized_keys.
    """
    _require_own_kernel(sandbox)
    ssh = sandbox.system.ssh
    known = platforms.well_known(ssh.authorized)
    if known:
        raise Open(f"everybody can log in: {known[0]}")
    own = {key.sha256: key.path for key in ssh.host}
    if not own:
        return  # a guest without an SSH server
    of_host = [own[key.sha256] for key in host_facts.system.ssh.host if key.sha256 in own]
    if of_host:
        raise Open(f"{of_host[0]} is the host's own")
    if "peer" in sandbox.target.cannot:
        return
    of_peer = [own[key.sha256] for key in peer.system.ssh.host if key.sha256 in own]
    if of_peer:
        raise Open(f"{of_peer[0]} is its peer's too, baked into the image")
