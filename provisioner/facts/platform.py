"""What a guest sees of the machine under it, and what the host sees its hypervisor listen on, as frozen objects.

In: the sections `platform`, `ssh` and `listeners` of the probe's documents.  Out: classes that facts.py puts together.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field

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
    A disk that a guest was given, whole.

    `used` is whether it, or a partition of it, is mounted, swapped on or part of another device; one that is not has
    had its first and last MiB and 63 blocks in between read: `data_at` is the place of a byte that is not zero, None
    where there was none, and where it was not read.
    """

    name: Text
    read_only: Fact[bool]
    used: Fact[bool]
    size: Fact[Number | None]  # bytes
    data_at: Fact[Number | None]


class Platform(Observed):
    """
    The machine under a kernel, as it shows itself there.

    `hypervisor` is bit 31 of ECX in CPUID leaf 1; `signatures` who answers at leaf 0x40000000 and multiples of 0x100
    above; `nested` which of "vmx" and "svm" the processor has.  `vendor` and `product` are DMI's.  `ports` are the
    names that the host gave to ports of virtio-serial; None: this kernel has no driver that would show any.
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
    sha256: Text


class SshKeys(Observed):
    """A machine's own keys (/etc/ssh/ssh_host_*.pub), and those that log in: root's and /home/*'s authorized_keys."""

    host: Fact[Items[SshKey]]
    authorized: Fact[Items[SshKey]]


class Listener(Observed):
    """
    A socket that the process listens on.

    `address` is an IP address, a path, or "@" and an abstract name.  `mode` is a path's permission bits, None where
    there is none; `others` says whether a user who is neither its owner nor of its group may connect: may write to it
    and pass every folder on the way (unix(7), path_resolution(7)).  A port asks nobody who he is.
    """

    family: Literal["tcp", "tcp6", "unix"]
    address: Text
    port: Number | None
    mode: Fact[Number | None]
    others: Fact[bool]
