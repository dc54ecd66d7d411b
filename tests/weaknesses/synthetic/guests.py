"""Synthetic weaknesses and look-alikes: the guest's view of its machine."""

from __future__ import annotations

from functools import partial

from fact_parts import PEER_BOOT, Dict, mount
from sound.vm import DEVICES, device, disk
from weakness import UNSEEN, Edit, Lookalike, add, node, put, weak

from pytest_isolation.walls.machine.platforms import WELL_KNOWN

of_vm = partial(weak, record="vm")
looks = partial(Lookalike, record="vm")
RSA, ED25519 = WELL_KNOWN
DISKS = ("inside", "system", "disks")


def seen(name: str, to: object) -> Edit:
    """Return the edit of what the guest sees of its machine."""
    return put("inside", "system", "platform", name, to=to)


def plugged(id_: str, class_: str | None = None) -> Edit:
    """Return the edit that adds a device."""
    return add("inside", "system", "platform", "devices", item=device(id_, class_))


def declared(id_: str, edit: Edit) -> Edit:
    """Return the edit that adds a device which the role declares."""
    return both(add("target", "devices", item=id_), edit)


def both(*edits: Edit) -> Edit:
    """Return several edits as one."""

    def edit(document: Dict) -> None:
        for one in edits:
            one(document)

    return edit


def shared(fstype: str, target: str = "/mnt", **more: object) -> Edit:
    """Return the edit that mounts a folder of the host in the guest."""
    return add("inside", "process", "mounts", item=mount(target, fstype, 77, **more))


def key_of(part: str) -> Edit:
    """Return the edit that gives the guest the host key of another view."""

    def edit(document: Dict) -> None:
        document["inside"]["system"]["ssh"]["host"] = document[part]["system"]["ssh"]["host"]

    return edit


def authorized(sha256: str) -> Edit:
    """Return the edit that lets a key log in."""
    item = {"path": "/home/vagrant/.ssh/authorized_keys", "sha256": sha256}
    return add("inside", "system", "ssh", "authorized", item=item)


def same_bytes(document: Dict) -> None:
    """Let both copies draw the same bytes."""
    document["inside"]["system"]["entropy"] = document["peer_inside"]["system"]["entropy"]


READ_ONLY = {"options": ["ro"]}
SPICE = "com.redhat.spice.0"

WEAKNESSES = (
    of_vm("vm.disk_reuse", "data of another", put(*DISKS, 1, "data_at", to=1080), "vdb at byte 1080"),
    of_vm(
        "vm.disk_reuse",
        "a second new disk, the one that is not clean",
        add(*DISKS, item=disk("vdc", data_at=8388607)),
        "vdc at byte 8388607",
    ),
    of_vm(
        "vm.disk_reuse",
        "nobody could read it",
        put(*DISKS, 1, "data_at", to=UNSEEN),
        "could not be observed",
        verdict="unknown",
    ),
    of_vm("vm.disk_reuse", "nobody looked", put(*DISKS, to=None), "were not read", verdict="unknown"),
    of_vm("vm.hypervisor", "it hides", seen("hypervisor", to=False), "shows no hypervisor", verdict="unknown"),
    of_vm(
        "vm.hypervisor",
        "an unknown name",
        seen("signatures", to=["unheard of"]),
        "no known hypervisor",
        verdict="unknown",
    ),
    of_vm(
        "vm.hypervisor", "KVM answers", seen("signatures", to=["KVMKVMKVM"]), "claims to be emulation, and KVMKVMKVM"
    ),
    of_vm("vm.hypervisor", "TCG answers", put("target", "class", to="hardware-assisted"), "and TCGTCGTCGTCG answers"),
    of_vm("vm.entropy", "restored twice", same_bytes, "the same random bytes"),
    of_vm("vm.devices", "a floppy controller", plugged("acpi:PNP0700"), "a floppy controller (acpi:PNP0700)"),
    of_vm("vm.devices", "a sound device", plugged("pci:8086:2415", "040100"), "a sound device (pci:8086:2415)"),
    of_vm("vm.devices", "USB redirection", plugged("pci:1b36:000d", "0c0330"), "a USB controller (pci:1b36:000d)"),
    of_vm("vm.devices", "a USB device", plugged("usb:46f4:0001", "00"), "usb:46f4:0001"),
    of_vm("vm.devices", "a balloon", plugged("pci:1af4:1002", "00ff00"), "a memory balloon (pci:1af4:1002)"),
    of_vm("vm.devices", "on no PCI bus", plugged("virtio:5"), "it also has virtio:5"),
    of_vm(
        "vm.devices", "none is declared", put("target", "devices", to=None), "declares no devices", verdict="unknown"
    ),
    of_vm("vm.shared_folder", "writable 9p", shared("9p"), "writable at /mnt (9p)", "mnt.host_paths"),
    of_vm("vm.shared_folder", "writable virtiofs", shared("virtiofs"), "writable at /mnt (virtiofs)", "mnt.host_paths"),
    of_vm("vm.shared_folder", "VirtualBox's", shared("vboxsf"), "writable at /mnt (vboxsf)", "mnt.host_paths"),
    of_vm("vm.shared_folder", "Vagrant's over NFS", shared("nfs4", "/vagrant"), "writable at /vagrant (nfs4)"),
    of_vm(
        "vm.shared_folder",
        "read-only, undeclared",
        shared("9p", **READ_ONLY),
        "read at /mnt, which no role declares",
        "mnt.host_paths",
    ),
    of_vm(
        "vm.shared_folder",
        "mounted by nobody",
        plugged("pci:1af4:1009", "000200"),
        "can mount a folder of the host: 9p",
        "vm.devices",
    ),
    of_vm(
        "vm.shared_folder",
        "declared, mounted by nobody",
        declared("pci:1af4:105a", plugged("pci:1af4:105a")),
        "the shared folder is not mounted",
        verdict="unknown",
    ),
    of_vm("vm.guest_agent", "QEMU's port", seen("ports", to=["org.qemu.guest_agent.0"]), "org.qemu.guest_agent.0"),
    of_vm("vm.guest_agent", "SPICE's port", seen("ports", to=[SPICE]), SPICE),
    of_vm(
        "vm.guest_agent", "VMware's", add("inside", "system", "tasks", item={"pid": 9, "name": "vmtoolsd"}), "vmtoolsd"
    ),
    of_vm("vm.guest_agent", "VirtualBox's", plugged("pci:80ee:cafe", "088000"), "pci:80ee:cafe", "vm.devices"),
    of_vm(
        "vm.guest_agent",
        "ports without a driver",
        declared("pci:1af4:1043", both(plugged("pci:1af4:1043", "078000"), seen("ports", to=None))),
        "no driver that names them",
        verdict="unknown",
    ),
    of_vm("vm.vsock", "a device", plugged("virtio:19"), "not declared: virtio:19", "vm.devices"),
    of_vm(
        "vm.vsock", "from outside", add("vmm", "process", "fds", item={"fd": 9, "target": "/dev/vhost-vsock"}), "open"
    ),
    of_vm("vm.vsock", "declared", declared("virtio:19", plugged("virtio:19")), "were not tried", verdict="unknown"),
    of_vm("vm.nested", "Intel's", seen("nested", to=["vmx"]), "its processor has vmx"),
    of_vm("vm.nested", "AMD's", seen("nested", to=["svm"]), "its processor has svm"),
    of_vm(
        "vm.nested",
        "/dev/kvm",
        add("inside", "system", "devices", item=node("/dev/kvm", "char", 10, 232)),
        "it has /dev/kvm",
    ),
    of_vm("vm.keys", "Vagrant's RSA key", authorized(RSA), "insecure RSA key in /home/vagrant"),
    of_vm("vm.keys", "Vagrant's Ed25519 key", authorized(ED25519), "insecure Ed25519 key"),
    of_vm("vm.keys", "baked into the image", key_of("peer_inside"), "its peer's too"),
    of_vm("vm.keys", "the host's own", key_of("host"), "is the host's own"),
)

LOOKALIKES = (
    looks("a seed with data that is read-only", edit=add(*DISKS, item=disk("vdc", data_at=32769, read_only=True))),
    looks("a further disk in use", edit=add(*DISKS, item=disk("vdc", used=True))),
    looks("no disk", edit=put(*DISKS, to=[]), moves=(("vm.disk_reuse", "not_applicable"),)),
    looks(
        "the image's disk alone",
        edit=put(*DISKS, to=[disk("vda", used=True)]),
        moves=(("vm.disk_reuse", "not_applicable"),),
    ),
    looks("a further signature", edit=seen("signatures", to=["TCGTCGTCGTCG", "unheard of"])),
    looks(
        "restored from one snapshot, and seeded anew",
        edit=put("inside", "boot_id", to=PEER_BOOT),
        moves=(("ns.peer", "open"), ("vm.boot_id", "open")),
    ),
    looks("a declared sound device", edit=declared("pci:8086:2415", plugged("pci:8086:2415", "040100"))),
    looks("a second bridge of a declared kind", edit=plugged(DEVICES[1], "060100")),
    looks(
        "a declared folder, read-only",
        edit=declared("pci:1af4:1009", both(plugged("pci:1af4:1009"), shared("9p", **READ_ONLY))),
        moves=(("mnt.host_paths", "open"),),
    ),
    looks("a network file system elsewhere", edit=shared("nfs4", "/srv")),
    looks("a port that is a console", edit=seen("ports", to=["console.0"])),
    looks("no driver, and no ports", edit=seen("ports", to=None)),
    looks("vhost for a network card", edit=add("vmm", "process", "fds", item={"fd": 9, "target": "/dev/vhost-net"})),
    looks("declared to run guests", edit=both(add("target", "devices", item="cpu:svm"), seen("nested", to=["svm"]))),
    looks("somebody's own key", edit=authorized("ab" * 32)),
    looks("no SSH server", edit=put("inside", "system", "ssh", "host", to=[])),
)
