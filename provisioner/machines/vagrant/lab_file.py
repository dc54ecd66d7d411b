"""Writes what the Vagrantfile reads: the machines of a lab as JSON, with everything that Vagrant must know of each.

In: a machine's configuration and a box.  Out: the machine's entry in the lab's `vagrant/lab.json`; for Vagrant by hand,
a whole lab as text.  What an entry leaves out comes from the box's own Vagrantfile.
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
from provisioner.machines.lab import Hypervisor, Lab
from provisioner.machines.libvirt.daemon import GATEWAY, NETWORK, NETWORK_ADDRESS, PREFIX
from provisioner.machines.protocol import MachineConfig
from provisioner.machines.qemu.command import CGROUP_V1
from provisioner.machines.vagrant.boxes import box_name

Entry = Mapping[str, object]
Driver = Literal["kvm", "qemu"]


class VagrantSpec(MachineConfig, Protocol):
    """What Vagrant must know of one machine in addition; lab.MachineSpec is one."""

    @property
    def box(self) -> str:
        """The name of a recipe, or of a box that Vagrant knows."""

    @property
    def box_version(self) -> str | None:
        """The version of a box that Vagrant knows; None for the newest."""

    @property
    def hypervisor(self) -> Hypervisor:
        """Vagrant's provider that runs the machine."""


def render_cmdline(spec: MachineConfig, box: Box, address: str = "") -> str:
    """
    Return the guest kernel's command line.

    Args:
        spec: the machine's configuration.
        box: the box that it boots.
        address: the address that init.c sets before systemd runs; "" for DHCP.
    """
    words = [box.cmdline, f"systemd.hostname={spec.name}"]
    if address:
        words.append(f"earlynet={address},255.255.255.0,{GATEWAY},{GATEWAY}")
    return " ".join([*words, CGROUP_V1] if spec.cgroup == "v1" else words)


def render_built(spec: VagrantSpec, box: Box, cmdline: str, driver: Driver, console: str) -> Entry:
    """
    Return the entry of a machine that boots a built box: its kernel directly, with its key.

    Args:
        spec: the machine's configuration.
        box: the built box.
        cmdline: the guest kernel's command line.
        driver: the libvirt driver.
        console: the path of the serial console's log, as libvirtd sees it.
    """
    ssh = {
        "username": box.user,
        "private_key_path": str(box.private_key),
        "insert_key": False,
        "sudo_command": "%c",  # the user is root, and the boxes have no sudo
        "shell": "sh",  # otherwise each of Vagrant's commands starts a login bash
    }
    kernel = {"kernel": str(box.kernel), "initrd": str(box.initrd), "cmd_line": cmdline}
    entry = _render(spec, box_name(box), driver, console, {"machine_type": "q35", **kernel})
    # otherwise Vagrant detects the guest's system: about 20 commands, 13 s under emulation
    return {**entry, "vm": {"guest": "debian"}, "ssh": ssh}


def render_known(spec: VagrantSpec, driver: Driver, console: str) -> Entry:
    """
    Return the entry of a machine that boots a box that Vagrant knows, with the box's own boot loader and key.

    Args:
        spec: the machine's configuration.
        driver: the libvirt driver.
        console: the path of the serial console's log, as libvirtd sees it.
    """
    return {**_render(spec, spec.box, driver, console, {}), "box_version": spec.box_version}


def render_plain(spec: VagrantSpec) -> Entry:
    """Return the entry of a machine that runs without the lab's own libvirt."""
    entry = {"box": spec.box, "box_version": spec.box_version, "cpus": spec.cpus, "memory": spec.memory}
    return {**entry, "driver": spec.driver}


def render_by_hand(lab: Lab) -> str:
    """
    Return the JSON for Vagrant by hand: each machine of the provider vagrant, without a built box.

    It holds no deadline: by hand Vagrant's own counts.
    """
    specs = [spec for spec in lab.machines.values() if spec.provider == "vagrant"]
    return json.dumps({"machines": {spec.name: render_plain(spec) for spec in specs}}, indent=1)


def render_lab(entries: Mapping[str, Entry]) -> str:
    """Return the JSON that the Vagrantfile reads."""
    return json.dumps({"boot_timeout": max(1, int(deadline("machine.boot"))), "machines": entries}, indent=1)


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
    """Return the libvirt driver of a machine: lab.yaml's, or kvm if KVM works on this host."""
    return spec.driver or ("kvm" if accelerator().name == "kvm" else "qemu")


def hardware_mark(spec: MachineConfig, driver: str) -> str:
    """Return eight hex digits over what a snapshot depends on: only equal hardware can restore it."""
    text = f"{spec.cpus} {spec.memory} {spec.cgroup} {driver}"
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def hardware_address(name: str) -> str:
    """Return a network card's address from the machine's name: a machine that is made again keeps its lease."""
    digest = hashlib.sha256(name.encode()).hexdigest()
    return ":".join(["52:54:00", digest[0:2], digest[2:4], digest[4:6]])  # 52:54:00 is QEMU's prefix


def write_entry(file: Path, name: str, entry: Entry) -> None:
    """
    Write one machine's entry atomically; the entries of the other machines stay.

    Args:
        file: the lab's file for Vagrant; an invalid one is replaced.
        name: the machine's name.
        entry: its entry.
    """
    try:
        known = dict(json.loads(file.read_text(encoding="utf-8"))["machines"])
    except (OSError, ValueError, KeyError, TypeError):
        known = {}
    known[name] = entry
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_whole(file, render_lab(known))
