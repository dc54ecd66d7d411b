"""Reserves a machine's address before it boots, as a lease in the lab's network.

In: a lab's libvirt, a network card's address.  Out: an IP address.  Under libvirt dnsmasq keeps no leases of its own:
it reads libvirt's file when it starts, and libvirt's helper writes each new lease there.  Reserved addresses are
outside the range of dnsmasq.
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
    Reserve an IP address for a network card; a second call returns the same one, and restores a lost lease.

    Call it before the lab's network starts: at its start dnsmasq passes every lease that it has read to the helper,
    which may overwrite what is written in that moment.

    Args:
        libvirt: the lab's libvirt.
        mac: the card's hardware address; the search for a free address starts at a place computed from it.

    Returns:
        The address, None if all are taken.
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
    """
    Tell whether the running libvirt knows a lease: the format of its file is not documented.

    Args:
        libvirt: the lab's libvirt.
        mac: the network card's hardware address.
        address: the IP address.
    """
    return f" {address}/" in libvirt.virsh("net-dhcp-leases", NETWORK, "--mac", mac).stdout


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        return [lease for lease in json.loads(file.read_text(encoding="utf-8")) if "ip-address" in lease]
    except (OSError, ValueError, TypeError):
        return []


def _write(file: Path, leases: list[dict[str, Any]]) -> None:
    file.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    write_whole(file, json.dumps(leases, indent=2))
