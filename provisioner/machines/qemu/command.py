"""Renders QEMU's argument list for a box, and names the hardware that a snapshot depends on.

In: a machine's configuration, a box, this host's QEMU.  Out: an argument list.  Starts no machine.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from provisioner.connection.local import find_program
from provisioner.errors import IsolationError
from provisioner.linux.kvm import accelerator
from provisioner.machines.box.build import UNPRIVILEGED, Box
from provisioner.machines.protocol import MachineConfig

PROGRAM = "qemu-system-x86_64"
DISK, CONSOLE, SOCKET = "disk.qcow2", "console.log", "qmp.sock"  # in QEMU's working directory
ADDRESS = "10.0.2.15,255.255.255.0,10.0.2.2,10.0.2.3"  # QEMU's user-mode network: guest, mask, gateway, nameserver
CGROUP_V1 = "systemd.unified_cgroup_hierarchy=0"  # systemd(1), KERNEL COMMAND LINE
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
KVM = Path("/dev/kvm")


@dataclass(frozen=True)
class Hardware:
    """
    What a snapshot's memory image depends on: only equal hardware can restore it.

    Args:
        cpus: virtual processors.
        memory: MiB.
        cgroup: the cgroup version that the guest boots with.
        accelerator: what runs the guest's code.
        qemu: QEMU's path.
        version: a text that changes with QEMU's binary.
    """

    cpus: int
    memory: int
    cgroup: Literal["v1", "v2"]
    accelerator: Literal["kvm", "tcg"]
    qemu: str
    version: str

    @property
    def mark(self) -> str:
        """Eight hex digits of a hash over all fields."""
        text = f"{self.cpus} {self.memory} {self.cgroup} {self.accelerator} {self.qemu} {self.version}"
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def find_hardware(spec: MachineConfig) -> Hardware:
    """Return the hardware that a machine gets on this host; IsolationError if QEMU is not installed."""
    path = find_program(PROGRAM)
    if path is None:
        hint = "apt-get install --no-install-recommends qemu-system-x86"
        raise IsolationError(f"cannot start machine '{spec.name}': {PROGRAM} is not installed", hint=hint)
    name = accelerator().name if spec.driver is None else "kvm" if spec.driver == "kvm" else "tcg"
    status = os.stat(path)
    version = f"{status.st_size} {status.st_mtime_ns}"  # `qemu --version` takes 50 ms
    return Hardware(spec.cpus, spec.memory, spec.cgroup, name, path, version)


def render_command(
    spec: MachineConfig, box: Box, hardware: Hardware, monitor: int, snapshot: str | None = None
) -> list[str]:
    """
    Return the argument list of a machine's QEMU; file names without a folder are relative to its working directory.

    Args:
        spec: the machine's configuration.
        box: what it boots.
        hardware: its processors, memory and accelerator.
        monitor: the descriptor that QEMU inherits and on which it accepts QMP connections.
        snapshot: the tag of a snapshot to load; None to boot.
    """
    return [
        hardware.qemu,
        *("-name", spec.name),
        *("-machine", "q35,usb=off,vmport=off"),
        *("-accel", hardware.accelerator),
        *("-cpu", "host" if hardware.accelerator == "kvm" else "max"),
        *("-smp", str(hardware.cpus)),
        *("-m", str(hardware.memory)),
        *("-nodefaults", "-no-user-config", "-no-reboot", "-display", "none"),
        *("-sandbox", SANDBOX),
        *("-kernel", str(box.kernel), "-initrd", str(box.initrd), "-append", render_cmdline(spec, box)),
        *("-drive", f"if=none,id=root,file={DISK},format=qcow2,cache=unsafe"),
        *("-device", "virtio-blk-pci,drive=root"),
        # port 0: the kernel chooses a free port, and the monitor's `info usernet` prints it
        *("-netdev", "user,id=net0,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22"),
        *("-device", "virtio-net-pci,netdev=net0,romfile="),
        *("-chardev", f"file,id=console,path={CONSOLE},append=on", "-serial", "chardev:console"),
        *("-chardev", f"socket,id=qmp,fd={monitor},server=on,wait=off", "-mon", "chardev=qmp,mode=control"),
        *(("-loadvm", snapshot) if snapshot else ()),
    ]


def render_cmdline(spec: MachineConfig, box: Box) -> str:
    """Return the guest kernel's command line."""
    words = [box.cmdline, f"systemd.hostname={spec.name}", f"earlynet={ADDRESS}"]
    return " ".join([*words, CGROUP_V1] if spec.cgroup == "v1" else words)


def drop_privileges(accelerator: str, uid: int | None) -> list[str]:
    """
    Return the setpriv(1) arguments in front of a command of QEMU, which drop root's privileges.

    Args:
        accelerator: with "kvm", the group of /dev/kvm is kept.
        uid: the user and group to run as; None keeps the caller's.
    """
    if uid is None:
        return []
    groups = f"--groups={KVM.stat().st_gid}" if accelerator == "kvm" else "--clear-groups"
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", groups, "--no-new-privs", "--"]


def unprivileged_uid(*paths: Path) -> int | None:
    """
    Return the uid that QEMU runs as when this process is root: nobody.

    Returns:
        None if this process is not root, or if a parent folder of a path cannot be passed by other users.
    """
    if os.geteuid() != 0:
        return None
    folders = {folder for path in paths for folder in (path, *path.resolve().parents)}
    return UNPRIVILEGED if all(folder.stat().st_mode & 0o001 for folder in folders) else None
