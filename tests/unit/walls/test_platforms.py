"""What a guest sees of its machine, and what the hypervisor's process may do."""

from __future__ import annotations

import base64
import hashlib

import pytest

from provisioner.errors import IsolationError
from provisioner.facts.mounts import Mount
from provisioner.facts.platform import BusDevice, Listener, SshKey
from provisioner.paths import ROLES
from provisioner.runtimes.load import load_runtime, overlay
from provisioner.runtimes.runtime import Runtime
from pytest_isolation.walls.machine.hypervisors import reachable
from pytest_isolation.walls.machine.platforms import WELL_KNOWN, is_read_only, shared_folders, undeclared, well_known

# keys/vagrant.pub of Vagrant, public by intention
VAGRANT = "AAAAC3NzaC1lZDI1NTE5AAAAIN1YdxBpNlzxDqfJyw/QKow1F+wvG9hXGoqiysfJOn5Y"


def device(id_: str, class_: str | None = None) -> BusDevice:
    return BusDevice.model_validate({"id": id_, "name": "x", "class": class_})


def mount(fstype: str, target: str = "/mnt", options: tuple[str, ...] = ("rw",)) -> Mount:
    line = {"id": 1, "parent": 1, "major": 0, "minor": 1, "root": "/", "target": target, "options": list(options)}
    return Mount.model_validate({**line, "tags": [], "fstype": fstype, "source": "x", "super_options": ["rw"]})


def listener(family: str, address: str, port: int | None, others: bool) -> Listener:
    return Listener.model_validate({"family": family, "address": address, "port": port, "mode": None, "others": others})


def test_undeclared_devices_are_named_once() -> None:
    devices = [device("pci:1af4:1045"), device("pci:8086:2415", "040100"), device("pci:8086:29c0", "060000")]
    devices += [device("acpi:PNP0700"), device("acpi:PNP0700"), device("virtio:5")]

    assert undeclared(devices, ["pci:8086:29c0"]) == [
        "a memory balloon (pci:1af4:1045)",
        "a sound device (pci:8086:2415)",
        "a floppy controller (acpi:PNP0700)",
        "virtio:5",
    ]


def test_a_usb_class_is_no_pci_class() -> None:
    assert undeclared([device("usb:46f4:0001", "04")], []) == ["usb:46f4:0001"]


@pytest.mark.parametrize("fstype", ["9p", "virtiofs", "vboxsf"])
def test_the_file_system_shows_a_folder_of_the_host(fstype: str) -> None:
    assert shared_folders([mount(fstype)])


def test_a_network_file_system_counts_at_vagrants_default_path() -> None:
    assert shared_folders([mount("nfs4", "/vagrant")])
    assert not shared_folders([mount("nfs4", "/srv"), mount("ext4", "/vagrant")])


def test_a_mount_or_its_file_system_is_read_only() -> None:
    assert is_read_only(mount("9p", options=("ro", "nosuid")))
    assert not is_read_only(mount("9p"))


def test_the_fingerprint_shows_vagrants_key() -> None:
    digest = hashlib.sha256(base64.b64decode(VAGRANT)).hexdigest()
    key = SshKey(path="/root/.ssh/authorized_keys", sha256=digest)

    assert digest in WELL_KNOWN
    assert well_known([key]) == ["Vagrant's insecure Ed25519 key in /root/.ssh/authorized_keys"]
    assert well_known([SshKey(path="/x", sha256="0" * 64)]) == []


def test_only_sockets_that_others_reach_are_named() -> None:
    found = [
        listener("tcp6", "::1", 5900, True),
        listener("tcp", "127.0.0.1", 5901, True),
        listener("unix", "/run/a", None, False),
        listener("unix", "@b", None, True),
    ]

    assert reachable(found) == ["port [::1]:5900", "port 127.0.0.1:5901", "the socket @b"]


@pytest.mark.parametrize("name", sorted(path.parent.name for path in ROLES.glob("*/runtime.yaml")))
def test_every_vm_runtime_declares_its_devices(name: str) -> None:
    runtime = load_runtime(name)

    assert runtime.kind == "container" or runtime.devices


@pytest.mark.parametrize("id_", ["pci:8086", "8086:29c0", "acpi:", "cpu:avx", "virtio:x", "pci:8086:29C0"])
def test_a_wrong_device_id_is_refused(id_: str) -> None:
    qemu: Runtime = load_runtime("qemu")

    with pytest.raises(IsolationError, match="devices"):
        overlay(qemu, {"devices+": {id_: "what it is"}}, "a test")
