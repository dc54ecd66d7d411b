"""The machine below a guest as the guest sees it, and the sockets that its hypervisor listens on.

The sections `platform`, `disks`, `ssh` (system/platform.c, disks.c, ssh_keys.c) and `listeners` (exposed/listeners.c).
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from provisioner.facts.forms import Mode, Port, Sha256
from provisioner.observed import Fact, Items, Number, Observed, Text


class BusDevice(Observed):
    """
    A device on one of the buses that the kernel has found.

    `id` is "pci:VENDOR:DEVICE", "usb:VENDOR:PRODUCT", "virtio:N" (the specification's device number) or "acpi:NAME"
    (the firmware's _HID, each once); `name` is sysfs's, and `class` the bus's class code in hex where it has one.
    """

    id: Text
    name: Text
    class_: Text | None = Field(alias="class")


class Disk(Observed):
    """
    A whole disk of a guest.

    `used` says whether it, or a partition of it, is mounted, used for swap or part of another device.  Of an unused
    disk the probe reads the first and the last MiB and 63 blocks in between.  `data_at` is the offset of a byte that is
    not zero, None where all are zero or nothing was read.
    """

    name: Text
    read_only: Fact[bool]
    used: Fact[bool]
    size: Fact[Number | None]  # bytes
    data_at: Fact[Number | None]


class Platform(Observed):
    """
    The machine below a kernel, as the kernel shows it.

    `hypervisor` is bit 31 of ECX in CPUID leaf 1; `signatures` are the answers at leaf 0x40000000 and multiples of
    0x100 above; `nested` which of "vmx" and "svm" the processor has.  `vendor` and `product` are DMI's.  `ports` are
    the names that the host gave to ports of virtio-serial; None if this kernel has no driver for them.
    """

    hypervisor: Fact[bool]
    signatures: Fact[Items[Text]]
    nested: Fact[Items[Text]]
    vendor: Fact[Text | None]
    product: Fact[Text | None]
    devices: Fact[Items[BusDevice]]
    ports: Fact[Items[Text] | None]


class SshKey(Observed):
    """A public key: the file that holds it, and the SHA-256 of its blob in hex (`ssh-keygen -l` shows it in base64)."""

    path: Text
    sha256: Sha256


class SshKeys(Observed):
    """A machine's host keys (/etc/ssh/ssh_host_*.pub), and the authorized_keys of root and of all users in /home."""

    host: Fact[Items[SshKey]]
    authorized: Fact[Items[SshKey]]


class Listener(Observed):
    """
    A socket that the process listens on.

    `address` is an IP address, a path, or "@" and an abstract name.  `mode` is a path's permission bits, None where
    there is none.  `others` says whether a user who is neither its owner nor in its group may connect: may write to it
    and search every folder on the way (unix(7), path_resolution(7)).  Any user may connect to a port.
    """

    family: Literal["tcp", "tcp6", "unix"]
    address: Text
    port: Port | None
    mode: Fact[Mode | None]
    others: Fact[bool]
