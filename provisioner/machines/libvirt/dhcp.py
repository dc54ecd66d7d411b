"""Gives a machine its address before it boots: a lease that the lab's network has already.

In: a lab's libvirt, a network card's address.  Out: an address.  Called by vagrant.py.  Below libvirt dnsmasq has no
leases of its own: it reads libvirt's file when it starts, and a helper of libvirt's writes there what it gives.  What
is given here lies outside of the range that dnsmasq gives from.
"""

from __future__ import annotations

import json
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from provisioner.files.atomic import write_whole
from provisioner.machines.libvirt.daemon import BRIDGE, NETWORK, RESERVED, Libvirt


def reserve_address(libvirt: Libvirt, mac: str) -> str | None:
    """
    Return the address that a network card has from now on; None when all are taken.

    Call it before the lab's network starts: dnsmasq tells the helper then of every lease that it has read, and what is
    written in that moment can be lost.  To be called again is fine, and brings back a lease that was.

    Args:
        libvirt: the lab's.
        mac: the card's address, which decides on the address that is tried first.
    """
    file = libvirt.directory / "lib" / "dnsmasq" / f"{BRIDGE}.status"
    leases = _read(file)
    others = [lease for lease in leases if lease.get("mac-address") != mac]
    own = {str(lease["ip-address"]) for lease in leases} - {str(lease["ip-address"]) for lease in others}
    first, last = (int(ip_address(address)) for address in RESERVED)
    start = int(mac.replace(":", ""), 16)
    for offset in range(last - first + 1):
        address = str(ip_address(first + (start + offset) % (last - first + 1)))
        if address in own:
            return address
        if all(lease["ip-address"] != address for lease in others):
            _write(file, [*others, {"ip-address": address, "mac-address": mac, "expiry-time": 0}])
            return address
    return None


def sees_lease(libvirt: Libvirt, mac: str, address: str) -> bool:
    """Tell whether libvirt, which runs, knows of it: its file is its own affair."""
    return f" {address}/" in libvirt.virsh("net-dhcp-leases", NETWORK, "--mac", mac).stdout


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        return [lease for lease in json.loads(file.read_text()) if "ip-address" in lease]
    except (OSError, ValueError, TypeError):
        return []


def _write(file: Path, leases: list[dict[str, Any]]) -> None:
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_whole(file, json.dumps(leases, indent=2))
