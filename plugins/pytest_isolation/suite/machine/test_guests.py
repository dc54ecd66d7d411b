"""What a guest sees of the machine under it: who runs it, its devices, and the ways that lead from it to the host."""

from __future__ import annotations

import pytest

from provisioner.observed import UnobservedFact
from pytest_isolation.records.view import HostView, SandboxView
from pytest_isolation.walls.machine import platforms


def _assert_own_kernel(sandbox: SandboxView) -> None:
    """A process called a VM sees the host's devices: there is no machine of its own to look at."""
    kernel = sandbox.host.system.kernel.release
    assert not sandbox.shares_kernel, f"it runs on the host's kernel {kernel} and sees the host's own machine"


@pytest.mark.isolation(
    "vm.hypervisor",
    severity="low",
    profile="privileged",
    gains="hides from audits what it runs on",
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

    Bit 31 of ECX in CPUID leaf 1 is set by hypervisors, and leaf 0x40000000 names them: one that emulates every
    instruction, or one that lets the processor run them.  A hypervisor may hide: then nothing inside tells what runs
    the guest, which is unknown and never held.
    """
    _assert_own_kernel(sandbox)
    platform = sandbox.system.platform
    if not platform.hypervisor:
        raise UnobservedFact("platform.hypervisor", "", "the processor shows no hypervisor to the guest")
    known = [name for name in platform.signatures if name in platforms.SIGNATURES]
    if not known:
        raise UnobservedFact("platform.signatures", "", f"nobody is known by {platform.signatures}")
    claimed = "emulation" if sandbox.target.class_ == "emulation" else "hardware-assisted"
    strange = [name for name in known if platforms.SIGNATURES[name] != claimed]
    assert not strange, f"it claims to be {sandbox.target.class_}, and {strange[0]} answers"


@pytest.mark.isolation(
    "vm.entropy",
    severity="high",
    profile="baseline",
    gains="guesses its copy's keys and nonces, which are its own",
    refs=["random(7)", "drivers/virt/vmgenid.c", "Documentation/devicetree/bindings/rng/microsoft,vmgenid.yaml"],
    kinds=["vm"],
    kinds_reason="containers draw from the host's own generator",
    shows=["entropy", "boot_id", "platform.devices"],
    reproduce="head -c32 /dev/urandom | sha256sum    # first thing in both copies",
    remedy="give it a vmgenid device and a guest kernel with CONFIG_VMGENID, or boot each copy anew",
)
def test_two_copies_do_not_yield_the_same_random_bytes(sandbox: SandboxView, peer: SandboxView) -> None:
    """
    After a snapshot restore two copies do not yield the same random bytes.

    The first 32 bytes that each got from getrandom(2) are compared by their hash.  Two that were each booted seed
    themselves; two that were restored from one snapshot go on from the same state until the kernel learns of it, by
    a vmgenid device, or mixes something in.  What one copy draws first, the other's keys and nonces would be.
    """
    assert sandbox.system.entropy != peer.system.entropy, "it drew the same random bytes as its peer"


@pytest.mark.isolation(
    "vm.devices",
    severity="high",
    profile="baseline",
    gains="attacks the emulation of a device that nobody needs",
    refs=["QEMU docs/system/security.rst", "CVE-2015-3456", "CVE-2019-14378", "CVE-2021-3947"],
    kinds=["vm"],
    kinds_reason="a container's devices are nodes in /dev: dev.nodes",
    shows=["platform.devices", "platform.ports"],
    reproduce="cat /sys/bus/pci/devices/*/{vendor,device}; ls /sys/bus/usb/devices /sys/bus/acpi/devices    # inside",
    remedy="take the device away (-nodefaults; in a domain's XML), or declare it in the role's runtime.yaml: devices",
)
def test_only_declared_devices_are_emulated(sandbox: SandboxView) -> None:
    """
    Only the declared devices are emulated (no floppy, sound, USB redirect, SPICE agent, balloon unless declared).

    Each device that the guest's kernel finds on the PCI, USB and virtio buses or that the firmware describes must
    stand in `devices` of the runtime's role.  A second one of a declared kind is not told from the first, nor is an
    ISA device seen that no table describes.
    """
    _assert_own_kernel(sandbox)
    declared = sandbox.target.devices
    if declared is None:
        raise UnobservedFact("target.devices", "", f"'{sandbox.target.runtime}' declares no devices")
    strange = platforms.undeclared(sandbox.system.platform.devices, declared)
    assert not strange, f"it also has {', '.join(strange[:6])}{' …' if len(strange) > 6 else ''}"


@pytest.mark.isolation(
    "vm.disk_reuse",
    severity="high",
    profile="baseline",
    gains="reads what another tenant left on the disk",
    refs=["virsh(1), vol-wipe", "lvcreate(8), --wipesignatures", "open(2), O_EXCL"],
    kinds=["vm"],
    kinds_reason="a container's files are layers of an image: mnt.layers",
    shows=["disks"],
    reproduce="cmp -n 1048576 /dev/zero /dev/vdb    # inside, a disk that nothing is mounted from",
    remedy="make it anew as a sparse file or a thin volume, or wipe it: virsh vol-wipe, blkdiscard --zeroout",
)
def test_a_new_disk_holds_no_old_data(sandbox: SandboxView) -> None:
    """
    A new disk holds no old data.

    Of each disk that can be written and that nothing in the guest uses the first and the last MiB are read, and 63
    blocks in between: all must be zero.  A disk with a file system that is mounted is the image's own, and one that
    is read-only was made to be read (cloud-init's seed): of neither can a guest tell what is old.
    """
    _assert_own_kernel(sandbox)
    disks = sandbox.system.disks
    if disks is None:
        raise UnobservedFact("system.disks", "", "the guest's disks were not looked at")
    new = [disk for disk in disks if not disk.used and not disk.read_only]
    if not new:
        pytest.skip("no disk of the guest is new: it has none, or its image's")
    old = [f"{disk.name} at byte {disk.data_at}" for disk in new if disk.data_at is not None]
    assert not old, f"a disk that nothing uses holds data: {', '.join(old[:4])}"


@pytest.mark.isolation(
    "vm.shared_folder",
    severity="critical",
    profile="baseline",
    gains="reads and writes the host's files",
    refs=["Vagrant: Synced Folders", "virtio-v1.2, 5.9 and 5.11", "QEMU docs/system/invocation, -fsdev"],
    kinds=["vm"],
    kinds_reason="a container's folders of the host are mounts: mnt.host_paths",
    shows=["process.mounts", "platform.devices"],
    reproduce="grep -E ' (9p|virtiofs|vboxsf|vmhgfs|prl_fs) ' /proc/self/mounts    # inside",
    remedy='config.vm.synced_folder ".", "/vagrant", disabled: true; drop -fsdev, -virtfs and <filesystem>',
)
def test_no_folder_of_the_host_is_shared(sandbox: SandboxView) -> None:
    """
    No host folder is shared, or read-only as declared.

    A folder may be shared by a device that is there and mounted by nobody yet: its root can do so at any time.  One
    whose device the role declares must be mounted, and read-only; that the host refuses to write is not tried.
    """
    _assert_own_kernel(sandbox)
    shared = platforms.shared_folders(sandbox.inside.process.mounts)
    writable = [mount for mount in shared if not platforms.is_read_only(mount)]
    assert not writable, f"a folder of the host is writable at {writable[0].target} ({writable[0].fstype})"
    offered = {device.id for device in sandbox.system.platform.devices} & platforms.SHARES.keys()
    declared = set(sandbox.target.devices or ())
    strange = sorted(offered - declared)
    assert not strange, f"its root can mount a folder of the host: {platforms.SHARES[strange[0]]} ({strange[0]})"
    known = {platforms.SHARES[name] for name in platforms.SHARES.keys() & declared}
    undeclared = [mount for mount in shared if mount.fstype not in known]
    assert not undeclared, f"a folder of the host can be read at {undeclared[0].target}, which no role declares"
    unmounted = {platforms.SHARES[name] for name in offered} - {mount.fstype for mount in shared}
    if unmounted:
        raise UnobservedFact("process.mounts", "", f"nobody has mounted the shared folder ({min(unmounted)})")


@pytest.mark.isolation(
    "vm.guest_agent",
    severity="medium",
    profile="restricted",
    gains="lets whoever reaches the channel run commands in the guest",
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

    Only the host can ask an agent for its list of commands, and this suite sends it none: a channel for one, or an
    agent that runs, counts as open.
    """
    _assert_own_kernel(sandbox)
    platform, system = sandbox.system.platform, sandbox.system
    running = sorted({task.name for task in system.tasks} & platforms.AGENTS)
    assert not running, f"{running[0]} runs in it"
    devices = {device.id for device in platform.devices}
    found = sorted(devices & platforms.AGENT_DEVICES)
    assert not found, f"it has a device for the host's orders: {found[0]}"
    if platform.ports is None:
        if devices & platforms.CONSOLES:
            raise UnobservedFact("platform.ports", "", "it has virtio-serial ports, and no driver that names them")
        return
    agents = [port for port in platform.ports if port.startswith(platforms.AGENT_PORTS)]
    assert not agents, f"it has a port for the host's orders: {', '.join(agents)}"


@pytest.mark.isolation(
    "vm.vsock",
    severity="medium",
    profile="baseline",
    gains="reaches services of the host past its network's walls",
    refs=["vsock(7)", "virtio-v1.2, 5.10", "systemd-ssh-proxy(1)"],
    kinds=["vm"],
    kinds_reason="a container's sockets of that family are the host's own: seccomp.sockets",
    shows=["platform.devices", "system.tries[socket.vsock]"],
    reproduce="ls -l /proc/PID/fd | grep vhost-vsock    # on the host, PID of the hypervisor's process",
    remedy="drop -device vhost-vsock-pci and <vsock>, or declare the device in the role's runtime.yaml: devices",
)
def test_vsock_reaches_no_service_of_the_host(sandbox: SandboxView) -> None:
    """
    Vsock reaches no host service not declared.

    Without a device there is no way to the host, whatever the guest's kernel offers.  Seen from both sides: the device
    inside, and /dev/vhost-vsock open in the hypervisor's process.  Whether a declared one reaches more than it should
    is not tried.
    """
    _assert_own_kernel(sandbox)
    offered = {device.id for device in sandbox.system.platform.devices} & platforms.VSOCKETS
    strange = sorted(offered - set(sandbox.target.devices or ()))
    assert not strange, f"it has a vsock device that is not declared: {strange[0]}"
    opened = any(fd.target == "/dev/vhost-vsock" for fd in sandbox.vmm.process.fds)
    assert offered or not opened, "its hypervisor's process has /dev/vhost-vsock open"
    if offered:
        raise UnobservedFact("platform.devices", "", "which services of the host its vsock reaches is not tried")


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

    By the processor's own flags, which the guest's kernel may hide in /proc/cpuinfo, and by /dev/kvm.
    """
    _assert_own_kernel(sandbox)
    assert not any(one.path == "/dev/kvm" for one in sandbox.system.devices), "it has /dev/kvm"
    declared = sandbox.target.devices or ()
    found = [name for name in sandbox.system.platform.nested if f"cpu:{name}" not in declared]
    assert not found, f"its processor has {', '.join(found)}"


@pytest.mark.isolation(
    "vm.keys",
    severity="critical",
    profile="baseline",
    gains="logs in with a key that everybody has",
    refs=["Vagrant: Creating a Base Box", "hashicorp/vagrant keys/README.md", "sshd(8)"],
    kinds=["vm"],
    kinds_reason="a container is entered by its runtime's exec and needs no SSH server: CIS Docker 5.7",
    shows=["ssh.host", "ssh.authorized"],
    reproduce="cat /etc/ssh/ssh_host_*.pub /root/.ssh/authorized_keys /home/*/.ssh/authorized_keys | ssh-keygen -lf -",
    remedy="config.ssh.insert_key = true; rm /etc/ssh/ssh_host_* in the image and make them at the first boot",
)
def test_its_keys_are_its_own(sandbox: SandboxView, peer: SandboxView, host_facts: HostView) -> None:
    """
    SSH host keys are its own and no well-known key opens it.

    Its host keys are compared with the host's and with its peer's, and the keys that may log in with those that
    Vagrant publishes with their private halves.  No login is tried.  Only root sees every user's authorized_keys.
    """
    _assert_own_kernel(sandbox)
    ssh = sandbox.system.ssh
    known = platforms.well_known(ssh.authorized)
    assert not known, f"everybody can log in: {known[0]}"
    own = {key.sha256: key.path for key in ssh.host}
    if not own:
        return  # a guest without an SSH server
    of_host = [own[key.sha256] for key in host_facts.system.ssh.host if key.sha256 in own]
    assert not of_host, f"{of_host[0]} is the host's own"
    if "peer" in sandbox.target.cannot:
        return
    of_peer = [own[key.sha256] for key in peer.system.ssh.host if key.sha256 in own]
    assert not of_peer, f"{of_peer[0]} is its peer's too, baked into the image"
