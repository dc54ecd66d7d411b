"""Writes what the Vagrantfile reads: the machines of a lab, with all that Vagrant must know of each.

In: a specification and a box.  Out: an entry in the lab's `vagrant/lab.yaml` (JSON, which is YAML).  Called by the
providers that use Vagrant.  What is not said here is left to the box's own Vagrantfile.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Protocol

from provisioner.deadlines import deadline
from provisioner.files.atomic import write_whole
from provisioner.linux.kvm import accelerator
from provisioner.machines.box.build import Box
from provisioner.machines.lab import Hypervisor
from provisioner.machines.libvirt.daemon import GATEWAY, NETWORK, NETWORK_ADDRESS, PREFIX
from provisioner.machines.protocol import MachineConfig
from provisioner.machines.qemu.command import CGROUP_V1
from provisioner.machines.vagrant.boxes import box_name

Entry = Mapping[str, object]
Driver = Literal["kvm", "qemu"]


class VagrantSpec(MachineConfig, Protocol):
    """What Vagrant must know of one machine beside that; lab.MachineSpec has it all."""

    @property
    def box(self) -> str:
        """A box of our own, or one that Vagrant knows."""

    @property
    def box_version(self) -> str | None:
        """Which version of the latter."""

    @property
    def hypervisor(self) -> Hypervisor:
        """Which of Vagrant's providers runs it."""


def render_cmdline(spec: MachineConfig, box: Box, address: str = "") -> str:
    """Return the guest kernel's command line; with an address, the guest has it from its first moment."""
    words = [box.cmdline, f"systemd.hostname={spec.name}"]
    if address:
        words.append(f"earlynet={address},255.255.255.0,{GATEWAY},{GATEWAY}")
    return " ".join([*words, CGROUP_V1] if spec.cgroup == "v1" else words)


def render_own(spec: VagrantSpec, box: Box, cmdline: str, driver: Driver, console: str) -> Entry:
    """Return the entry of a machine that boots a box of our own: its kernel directly, with its key."""
    ssh = {
        "username": box.user,
        "private_key_path": str(box.private_key),
        "insert_key": False,
        "sudo_command": "%c",  # root needs no sudo, and our boxes have none
        "shell": "sh",  # a login bash, else, for each of Vagrant's commands
    }
    kernel = {"kernel": str(box.kernel), "initrd": str(box.initrd), "cmd_line": cmdline}
    entry = _render(spec, box_name(box), driver, console, {"machine_type": "q35", **kernel})
    # asked of the guest otherwise: about 20 commands, 13 s under emulation
    return {**entry, "vm": {"guest": "debian"}, "ssh": ssh}


def render_known(spec: VagrantSpec, driver: Driver, console: str) -> Entry:
    """Return the entry of a machine that boots a box that Vagrant knows, by its own boot loader and key."""
    return {**_render(spec, spec.box, driver, console, {}), "box_version": spec.box_version}


def render_elsewhere(spec: VagrantSpec) -> Entry:
    """Return the entry of a machine that another hypervisor runs."""
    return {"box": spec.box, "box_version": spec.box_version, "cpus": spec.cpus, "memory": spec.memory}


def _render(spec: MachineConfig, box: str, driver: str, console: str, more: Entry) -> Entry:
    libvirt = {
        "default_prefix": PREFIX,
        "management_network_name": NETWORK,
        "management_network_address": NETWORK_ADDRESS,
        "management_network_mac": hardware_address(spec.name),
        "management_network_keep": True,
    }
    return {
        "box": box,
        "cpus": spec.cpus,
        "memory": spec.memory,
        "driver": driver,
        "consoles": [console],
        "libvirt": {**libvirt, **more},
    }


def choose_driver(spec: MachineConfig) -> Driver:
    """Return what runs a machine: as lab.yaml says, or as this host can."""
    return spec.driver or ("kvm" if accelerator().name == "kvm" else "qemu")


def hardware_mark(spec: MachineConfig, driver: str) -> str:
    """Return eight hex digits over what a machine's memory image depends on: other hardware cannot take it."""
    text = f"{spec.cpus} {spec.memory} {spec.cgroup} {driver}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def hardware_address(name: str) -> str:
    """Return a network card's address, one for each machine's name: made anew, it gets the lease that it had."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return ":".join(["52:54:00", digest[0:2], digest[2:4], digest[4:6]])  # 52:54:00 is QEMU's


def write_entry(file: Path, name: str, entry: Entry) -> None:
    """Write one machine's entry, whole or not at all; the other machines' stay."""
    try:
        known = dict(json.loads(file.read_text())["machines"])
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    known[name] = entry
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    document = {"boot_timeout": max(1, int(deadline("machine.boot"))), "machines": known}
    write_whole(file, json.dumps(document, indent=1))
