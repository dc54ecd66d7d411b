"""Plants for a micro VM: undeclared devices, folders, keys and sockets, and a VM that is restored twice."""

from __future__ import annotations

import base64
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from argument_lists import replaced
from ground import Ground
from plant import Plant, flags, opened

from plants.qemu import cpio_file, cpio_folder
from provisioner.machines.qemu.qmp import Qmp
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec

QEMU = ("qemu",)
MAY_SPAWN = ("-sandbox", "on,obsolete=deny,elevateprivileges=deny,resourcecontrol=deny")
# keys/vagrant.pub of Vagrant: public by intention; its private half is never used here
VAGRANT = (
    b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIN1YdxBpNlzxDqfJyw/QKow1F+wvG9hXGoqiysfJOn5Y vagrant insecure public key\n"
)
# seconds; when asked, a young kernel seeds itself anew after half of its age (random.c: crng_reseed_interval): it does
# so when it is looked at after this, and then not for a while
SETTLED = 10.0
USB = ("-device", "qemu-xhci", "-chardev", "null,id=redir", "-device", "usb-redir,chardev=redir")
SOUND = ("-audiodev", "none,id=none", "-device", "AC97,audiodev=none")


def _own_key(kind: bytes = b"ssh-ed25519") -> bytes:
    """Return a line with a public key that nobody has the private half of."""
    blob = len(kind).to_bytes(4, "big") + kind + (32).to_bytes(4, "big") + secrets.token_bytes(32)
    return kind + b" " + base64.b64encode(blob) + b" nobody\n"


def _image_with(ground: Ground, name: str, data: bytes) -> Mapping[str, Any]:
    """Return the overlay of a VM whose image holds one more file: a second archive after the first."""
    first = str(ground.host.values(ground.runtime)["initramfs"])
    path = ground.folder / "initramfs.cpio"
    folders = [str(folder) for folder in reversed(Path(name).parents) if folder.name]
    path.write_bytes(Path(first).read_bytes() + b"".join(map(cpio_folder, folders)) + cpio_file(name, data))
    return {"create": replaced(ground.runtime.create, "{{ initramfs }}", str(path))}


def _agent(ground: Ground) -> Mapping[str, Any]:
    """Return the overlay of a VM in which something runs under an agent's name: its init, which takes no orders."""
    first = str(ground.host.values(ground.runtime)["initramfs"])
    path = ground.folder / "initramfs.cpio"
    path.write_bytes(Path(first).read_bytes() + cpio_file("qemu-ga", ground.host.probe.path.read_bytes(), 0o555))
    create = replaced(ground.runtime.create, "{{ initramfs }}", str(path))
    return {"create": [f"rdinit=/qemu-ga {word}" if word.startswith("console=") else word for word in create]}


def _in_host_namespaces(ground: Ground) -> Mapping[str, Any]:
    return {"create": [word for word in ground.runtime.create if "unshare" not in word]}


def _shared(ground: Ground) -> Mapping[str, Any]:
    path = ground.directory("shared")
    path.chmod(0o777)
    share = ("-fsdev", f"local,id=share,path={path},security_model=none")
    return flags(*share, "-device", "virtio-9p-pci,fsdev=share,mount_tag=share")


def _monitor(ground: Ground) -> Mapping[str, Any]:
    """Return a Spec with a monitor's socket, which QEMU makes for its own user alone (unix(7): by its umask)."""
    path = ground.directory("monitor")
    path.chmod(0o777)
    return flags("-qmp", f"unix:{path}/qmp.sock,server=on,wait=off")


def _for_everybody(ground: Ground) -> Mapping[str, Any]:
    return {"create": ["sh", "-c", 'umask 0; exec "$@"', "sh", *ground.runtime.create]}


def _restored(ground: Ground, pause: float = 0.5) -> Mapping[str, Any]:
    """
    Return the overlay that continues a frozen VM instead of booting one, and lets it run for `pause` seconds.

    The frozen probe has said hello already, so a shell says it in its place, when the state is read: what came before,
    the state's own serial port would not have.
    """
    folder = ground.directory("frozen")
    folder.chmod(0o777)
    state = folder / "state"
    spec = Spec(flags=(*MAY_SPAWN, "-qmp", f"unix:{folder}/qmp.sock,server=on,wait=off"))
    with Sandbox(ground.host, ground.runtime, spec) as frozen:
        frozen.inside()  # its boot id is made at the first look, and is the snapshot's
        time.sleep(SETTLED)
        frozen.inside()
        with Qmp(folder / "qmp.sock", 60.0) as qmp:
            qmp.execute("migrate", uri=f"exec:cat > {state}")
            until = time.monotonic() + 60
            while (status := qmp.execute("query-migrate").get("status")) != "completed":
                assert status in ("setup", "active"), status
                assert time.monotonic() < until, "it does not end"
                time.sleep(0.05)
    probe = ground.host.facts.probe
    length = len(f"ISOLATION 1 {'0' * 16} {probe}")
    hello = rf"\177ISOPRB\n\000\000\000\{length:03o}\000\000\000\000\000ISOLATION 1 %s {probe}"
    say = f"""
        (until [ -e {folder}/$1 ]; do sleep 0.1; done; sleep {pause}; printf '{hello}' "$1") &
        shift; exec "$@"
    """
    incoming = f"exec:cat {state}; : > {folder}/{{{{ nonce }}}}"
    return {"create": ["sh", "-c", say, "sh", "{{ nonce }}", *ground.runtime.create, "-incoming", incoming]}


PLANTS = (
    Plant(
        "the hypervisor hides",
        QEMU,
        {"vm.hypervisor": "shows no hypervisor"},
        verdict="unknown",
        spec=flags("-cpu", "max,la57=off,hypervisor=off,vmx=off,svm=off"),
    ),
    Plant("virtualisation in the guest", QEMU, {"vm.nested": "its processor has svm"}, spec=flags("-cpu", "max")),
    Plant("a floppy controller", QEMU, {"vm.devices": "a floppy controller"}, spec=flags("-device", "isa-fdc")),
    Plant("a sound device", QEMU, {"vm.devices": "a sound device (pci:8086:2415)"}, spec=flags(*SOUND)),
    Plant("USB redirection", QEMU, {"vm.devices": "a USB controller (pci:1b36:000d)"}, spec=flags(*USB)),
    Plant(
        "a folder shared by 9p",
        QEMU,
        {"vm.shared_folder": "can mount a folder of the host: 9p", "vm.devices": "a shared folder (pci:1af4:10"},
        spec=_shared,
    ),
    Plant("an agent", QEMU, {"vm.guest_agent": "qemu-ga runs in it"}, overlay=_agent),
    # the micro VM's kernel has no driver that would show the port's name
    Plant(
        "a port for the guest agent",
        QEMU,
        {"vm.guest_agent": "no driver that names them"},
        opened("vm.devices"),
        verdict="unknown",
        spec=flags(
            *("-device", "virtio-serial-pci", "-chardev", "null,id=agent"),
            *("-device", "virtserialport,chardev=agent,name=org.qemu.guest_agent.0"),
        ),
    ),
    Plant(
        "VNC on loopback",
        QEMU,
        {"vm.host_sockets": "port 127.0.0.1:5900"},
        spec=flags("-vnc", "127.0.0.1:0"),
    ),
    Plant(
        "a monitor for everybody",
        QEMU,
        {"vm.host_sockets": "/monitor/qmp.sock"},
        spec=_monitor,
        overlay=_for_everybody,
    ),
    Plant(
        "QEMU among the host's mounts",
        QEMU,
        {"vm.process": "is in the host's mount namespace"},
        overlay=_in_host_namespaces,
    ),
    Plant(
        "Vagrant's public key",
        QEMU,
        {"vm.keys": "Vagrant's insecure Ed25519 key in /root/.ssh/authorized_keys"},
        overlay=lambda ground: _image_with(ground, "root/.ssh/authorized_keys", VAGRANT),
    ),
    Plant(
        "host keys baked into the image",
        QEMU,
        {"vm.keys": "is its peer's too"},
        overlay=lambda ground: _image_with(ground, "etc/ssh/ssh_host_ed25519_key.pub", _own_key()),
        planted_peer=True,
    ),
    # one kernel twice: its namespaces and its boot id are the same too
    Plant(
        "restored twice",
        QEMU,
        {"vm.entropy": "the same random bytes", "vm.boot_id": "its boot id is its peer's"},
        opened("ns.peer"),
        spec=flags(*MAY_SPAWN),
        overlay=_restored,
        planted_peer=True,
    ),
    Plant(
        "restored twice, and asked when each has seeded itself anew",
        QEMU,
        {"vm.boot_id": "its boot id is its peer's"},
        opened("ns.peer"),
        spec=flags(*MAY_SPAWN),
        overlay=lambda ground: _restored(ground, pause=2 * SETTLED),
        planted_peer=True,
    ),
    Plant(
        "a declared sound device",
        QEMU,
        spec=flags(*SOUND),
        overlay=lambda ground: {"devices+": {"pci:8086:2415": "a sound device"}},
    ),
    Plant("a monitor for its own user", QEMU, spec=_monitor),
    Plant(
        "somebody's own key",
        QEMU,
        overlay=lambda ground: _image_with(ground, "root/.ssh/authorized_keys", b"# mine\nrestrict " + _own_key()),
    ),
    Plant(
        "a host key of its own",
        QEMU,
        overlay=lambda ground: _image_with(ground, "etc/ssh/ssh_host_ed25519_key.pub", _own_key()),
    ),
)

ONLY_SYNTHETIC = {
    "vm.declared": "a wrong declaration moves most checks: tests/e2e/sandbox/test_declared_kind_live.py makes them",
    "vm.vsock": "this host's kernel has no vhost-vsock, and QEMU no vsock device without it",
}
