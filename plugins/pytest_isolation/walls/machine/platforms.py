"""What a guest sees of its machine: the hypervisor, the devices, and which of them lead to the host.

In: Platform, mounts, and what a runtime declares.  Out: names and reasons.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.facts.mounts import Mount
from provisioner.facts.platform import BusDevice, SshKey
from pytest_isolation.walls.filesystem.mounts import SHARED_FOLDERS

# The signature at CPUID leaf 0x40000000, and whether the guest's code runs on the processor itself.  Sources:
# arch/x86/kernel/cpu/{vmware,mshyperv,acrn}.c, arch/x86/kernel/{kvm,jailhouse}.c, QEMU target/i386/cpu.c.
SIGNATURES = {
    "KVMKVMKVM": "hardware-assisted",
    "Microsoft Hv": "hardware-assisted",
    "VMwareVMware": "hardware-assisted",
    "VBoxVBoxVBox": "hardware-assisted",
    "XenVMMXenVMM": "hardware-assisted",
    "bhyve bhyve ": "hardware-assisted",
    "ACRNACRNACRN": "hardware-assisted",
    "Jailhouse": "hardware-assisted",
    " lrpepyh vr": "hardware-assisted",  # Parallels
    "TCGTCGTCGTCG": "emulation",
}
# Devices that share a folder of the host, and the file system that mounts it (virtio-v1.2, 5.9 and 5.11).
SHARES = {
    "pci:1af4:1009": "9p",
    "pci:1af4:1049": "9p",
    "virtio:9": "9p",
    "pci:1af4:105a": "virtiofs",
    "virtio:26": "virtiofs",
}
# Vagrant shares its default folder by one of these if the hypervisor has no shared folders
NETWORKED = frozenset({"nfs", "nfs4", "cifs", "smb3", "fuse.sshfs"})
VAGRANT = "/vagrant"
# virtio-v1.2, 5.10 (socket device); VMCI carries AF_VSOCK on VMware
VSOCKETS = frozenset({"pci:1af4:1012", "pci:1af4:1053", "virtio:19", "pci:15ad:0740"})
CONSOLES = frozenset({"pci:1af4:1003", "pci:1af4:1043", "virtio:3"})
# Ports through which the host commands an agent in the guest: qemu-ga(8), spice-vdagentd(1)
AGENT_PORTS = ("org.qemu.guest_agent", "com.redhat.spice", "org.libguestfs.channel")
AGENT_DEVICES = frozenset({"pci:80ee:cafe"})  # VirtualBox's VMMDev
AGENTS = frozenset({"qemu-ga", "spice-vdagentd", "vmtoolsd", "VBoxService", "prltoolsd", "hv_vss_daemon"})
# Names of PCI base classes (PCI Code and ID Assignment Specification), for reasons
CLASSES = {
    "01": "a disk controller",
    "02": "a network card",
    "03": "a display",
    "04": "a sound device",
    "07": "a serial device",
    "0c03": "a USB controller",
}
NAMES = {"acpi:PNP0700": "a floppy controller"} | {
    f"pci:1af4:{number}": name
    for numbers, name in (
        (("1000", "1041"), "a network card"),
        (("1002", "1045"), "a memory balloon"),
        (("1003", "1043"), "a virtio-serial port"),
        (("1009", "1049", "105a"), "a shared folder"),
        (("1012", "1053"), "a vsock device"),
    )
    for number in numbers
}
# The public keys that Vagrant ships together with their private keys (keys/vagrant.pub).
# `ssh-keygen -l` shows them as SHA256:1M4RzhMyWuFS/86uPY/ce2prh/dVTHW7iD2RhpquOZA (RSA) and
# SHA256:WkvqjnyPAeC0cbPErYiGP9vqHdgL1MqqvPdIe3lvHgI
WELL_KNOWN = {
    "d4ce11ce13325ae152ffceae3d8fdc7b6a6b87f7554c75bb883d91869aae3990": "Vagrant's insecure RSA key",
    "5a4bea8e7c8f01e0b471b3c4ad88863fdbea1dd80bd4caaabcf7487b796f1e02": "Vagrant's insecure Ed25519 key",
}


def undeclared(devices: Iterable[BusDevice], declared: Iterable[str]) -> list[str]:
    """Return the names of the devices that are not declared, each kind once, in the order of the buses."""
    known = set(declared)
    return list(dict.fromkeys(_named(device) for device in devices if device.id not in known))


def _named(device: BusDevice) -> str:
    code = device.class_ or ""
    pci = device.id.startswith("pci:")
    word = NAMES.get(device.id) or (pci and (CLASSES.get(code[:4]) or CLASSES.get(code[:2])))
    return f"{word} ({device.id})" if word else device.id


def shared_folders(mounts: Iterable[Mount]) -> list[Mount]:
    """Return the mounts of host folders, as far as a guest can recognise them."""
    return [
        mount
        for mount in mounts
        if mount.fstype in SHARED_FOLDERS or (mount.target == VAGRANT and mount.fstype in NETWORKED)
    ]


def is_read_only(mount: Mount) -> bool:
    """Whether a mount can only be read, by the mount's own flag or by the file system's."""
    return "ro" in mount.options or "ro" in mount.super_options


def well_known(keys: Iterable[SshKey]) -> list[str]:
    """Return the files with a key that everybody has the private key of, and the owner of the key."""
    return [f"{WELL_KNOWN[key.sha256]} in {key.path}" for key in keys if key.sha256 in WELL_KNOWN]
