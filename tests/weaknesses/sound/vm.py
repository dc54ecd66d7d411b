"""Facts of a sound VM: its platform, keys, disks and entropy, and the listeners of its hypervisor."""

from __future__ import annotations

from typing import Any

Dict = dict[str, Any]

# of QEMU's q35, as roles/qemu declares them
DEVICES = ("pci:8086:29c0", "pci:8086:2918", "acpi:PNP0501", "acpi:QEMU0002")


def complete(document: Dict, name: str) -> Dict:
    """Add `platform`, `ssh`, `disks` and `entropy` to each system, and `listeners` to the view of the host."""
    document["target"]["devices"] = list(DEVICES) if name == "vm" else None
    for part in ("host", "inside", "exec", "peer_inside"):
        system = document[part].get("system")
        if system is None:
            continue
        own = name == "vm" and part != "host"
        system["platform"] = _guest() if own else _host()
        system["ssh"] = {"host": [_key("/etc/ssh/ssh_host_ed25519_key.pub", part if own else "host")], "authorized": []}
        system["disks"] = [disk("vda", used=True), disk("vdb")] if own and part != "exec" else None
        system["entropy"] = _digest(f"drawn {part}")
    for part in ("outside", "peer_outside", "vmm"):
        if document[part] is not None:
            document[part]["listeners"] = []
            document[part]["backings"] = document[part]["connections"] = []
    if name == "vm":
        # libvirt's monitor, in a folder that only its user enters, in a mount namespace of its own
        document["vmm"]["listeners"] = [listener("unix", "/var/lib/libvirt/qemu/domain-1/monitor.sock", mode=0o755)]
        document["vmm"]["backings"] = [
            backing("/dev/hugepages/libvirt/qemu/1-guest/ram", mapped=True),
            backing("/var/lib/libvirt/images/guest.qcow2"),
            backing("/var/lib/libvirt/images/base.qcow2", access="r", others_read=True, uid=0, mode=0o644),
            backing("/run/libvirt/qemu/guest.pid", access="w", pid=True, others_read=True, uid=0, mode=0o644),
            backing("/dev/pts/3", "char", mode=0o620),
        ]
        document["vmm"]["connections"] = [connection("/run/libvirt/qemu/swtpm/1-guest-swtpm.sock", "swtpm", 64055)]
        document["vmm"]["process"]["namespaces"]["mnt"] += 5000
    return document


def disk(name: str, used: bool = False, data_at: int | None = None, read_only: bool = False) -> Dict:
    """Return one disk of a guest."""
    size = None if used else 8 << 20
    return {"name": name, "read_only": read_only, "used": used, "size": size, "data_at": data_at}


def listener(family: str, address: str, port: int | None = None, mode: int | None = None, others: bool = False) -> Dict:
    """Return one socket that a process listens on."""
    return {"family": family, "address": address, "port": port, "mode": mode, "others": others}


def backing(path: str, type_: str = "file", **more: object) -> Dict:
    """Return one file of a hypervisor, which its user alone may open unless `more` says otherwise."""
    closed: Dict = {"access": "rw", "mapped": False, "pid": False, "uid": 64055, "mode": 0o600}
    return {"path": path, "type": type_} | closed | {"others_read": False, "others_write": False} | more


def connection(
    address: str, server: str | None, uid: int | None, family: str = "unix", port: int | None = None
) -> Dict:
    """Return one socket that a hypervisor has connected."""
    return {"family": family, "address": address, "port": port, "server": server, "uid": uid}


def device(id_: str, class_: str | None = None) -> Dict:
    """Return one device on a bus."""
    return {"id": id_, "name": "0000:00:01.0", "class": class_}


def _guest() -> Dict:
    return {
        "hypervisor": True,
        "signatures": ["TCGTCGTCGTCG"],
        "nested": [],
        "vendor": "QEMU",
        "product": "Standard PC (Q35 + ICH9, 2009)",
        "devices": [device(one) for one in DEVICES],
        "ports": [],
    }


def _host() -> Dict:
    return {
        "hypervisor": False,
        "signatures": [],
        "nested": ["vmx"],
        "vendor": "Maker",
        "product": "Server",
        "devices": [device("pci:8086:a0c8", "040300")],
        "ports": None,
    }


def _key(path: str, whose: str) -> Dict:
    return {"path": path, "sha256": _digest(whose)}


def _digest(text: str) -> str:
    return text.encode().hex().ljust(64, "0")[:64]
