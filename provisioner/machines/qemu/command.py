"""Says how QEMU boots a box: its argument list, and what must be equal for a snapshot to fit.

In: a specification, a box, what this host has.  Out: an argument list.  Called by qemu.py.  Starts no machine.
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
DISK, CONSOLE, SOCKET = "disk.qcow2", "console.log", "qmp.sock"  # in the folder that QEMU runs in
ADDRESS = "10.0.2.15,255.255.255.0,10.0.2.2,10.0.2.3"  # of user-mode networks: guest, mask, gateway, nameserver
LEGACY = "systemd.unified_cgroup_hierarchy=0"  # systemd.special(7): cgroup v1, with systemd's own hierarchy beside it
SANDBOX = "on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny"
KVM = Path("/dev/kvm")


@dataclass(frozen=True)
class Hardware:
    """What a machine's memory image depends on, QEMU's path and version among it: another one cannot take it."""

    cpus: int
    memory: int
    cgroup: Literal["v1", "v2"]
    accelerator: Literal["kvm", "tcg"]
    qemu: str
    version: str

    @property
    def mark(self) -> str:
        """Eight hex digits over all of it."""
        text = f"{self.cpus} {self.memory} {self.cgroup} {self.accelerator} {self.qemu} {self.version}"
        return hashlib.sha256(text.encode()).hexdigest()[:8]


def find_hardware(spec: MachineConfig) -> Hardware:
    """Return what a machine runs with on this host; IsolationError when there is no QEMU."""
    path = find_program(PROGRAM)
    if path is None:
        hint = "apt-get install --no-install-recommends qemu-system-x86"
        raise IsolationError(f"cannot start machine '{spec.name}': {PROGRAM} is not installed", hint=hint)
    name = accelerator().name if spec.driver is None else "kvm" if spec.driver == "kvm" else "tcg"
    status = os.stat(path)
    version = f"{status.st_size} {status.st_mtime_ns}"  # asking it costs fifty milliseconds
    return Hardware(spec.cpus, spec.memory, spec.cgroup, name, path, version)


def render_command(spec: MachineConfig, box: Box, hardware: Hardware, snapshot: str | None = None) -> list[str]:
    """
    Return the argument list of a machine's QEMU; file names without a folder are in the one it runs in.

    Args:
        spec: the machine's.
        box: what it boots.
        hardware: what it has, and what QEMU gives it.
        snapshot: the tag to begin from, instead of booting.
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
        # port 0: the kernel chooses a free one at the moment of binding, and the monitor tells which
        *("-netdev", "user,id=net0,ipv6=off,hostfwd=tcp:127.0.0.1:0-:22"),
        *("-device", "virtio-net-pci,netdev=net0,romfile="),
        *("-chardev", f"file,id=console,path={CONSOLE},append=on", "-serial", "chardev:console"),
        *("-qmp", f"unix:{SOCKET},server=on,wait=off"),
        *(("-loadvm", snapshot) if snapshot else ()),
    ]


def render_cmdline(spec: MachineConfig, box: Box) -> str:
    """Return the guest kernel's command line."""
    words = [box.cmdline, f"systemd.hostname={spec.name}", f"earlynet={ADDRESS}"]
    return " ".join([*words, LEGACY] if spec.cgroup == "v1" else words)


def drop_privileges(accelerator: str, uid: int | None) -> list[str]:
    """Return what QEMU is started through to be nobody: setpriv(1), since what `probe launch` starts ends with us."""
    if uid is None:
        return []
    groups = f"--groups={KVM.stat().st_gid}" if accelerator == "kvm" else "--clear-groups"
    return ["setpriv", f"--reuid={uid}", f"--regid={uid}", groups, "--no-new-privs", "--"]


def unprivileged_uid(*paths: Path) -> int | None:
    """Return whom QEMU runs as when we are root: nobody, unless a folder on the way to a path lets nobody through."""
    if os.geteuid() != 0:
        return None
    folders = {folder for path in paths for folder in (path, *path.resolve().parents)}
    return UNPRIVILEGED if all(folder.stat().st_mode & 0o001 for folder in folders) else None
