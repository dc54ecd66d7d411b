"""Gives a machine its address before it boots: a lease that the lab's network has already.

In: a lab's libvirt, a network card's address.  Out: an address, or None where this libvirt does not see the lease; then
the guest asks by DHCP, some seconds later.  Called by vagrant.py.  dnsmasq has no leases of its own below libvirt: it
reads libvirt's file when it starts, and libvirt's helper writes there what it gives.  Addresses that are given here lie
outside of the range that dnsmasq gives from.
"""

from __future__ import annotations

import json
import os
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from provisioner.machines.libvirt import BRIDGE, NETWORK, RESERVED, Libvirt


def reserve_address(libvirt: Libvirt, mac: str) -> str | None:
    """
    Return the address that a network card has from now on.

    Args:
        libvirt: the lab's; it runs.
        mac: the card's address.
    """
    file = libvirt.directory / "lib" / "dnsmasq" / f"{BRIDGE}.status"
    leases = _read(file)
    found = next((str(lease["ip-address"]) for lease in leases if lease.get("mac-address") == mac), None)
    if found is None or not _is_reserved(found):
        taken = {lease.get("ip-address") for lease in leases}
        found = next((address for address in _reserved() if address not in taken), None)
        if found is None:
            return None
        others = [lease for lease in leases if lease.get("mac-address") != mac]
        _write(file, [*others, {"ip-address": found, "mac-address": mac, "expiry-time": 0}])
    seen = libvirt.virsh("net-dhcp-leases", NETWORK, "--mac", mac).stdout
    return found if f" {found}/" in seen else None


def _reserved() -> list[str]:
    first, last = (int(ip_address(address)) for address in RESERVED)
    return [str(ip_address(number)) for number in range(first, last + 1)]


def _is_reserved(address: str) -> bool:
    return address in _reserved()


def _read(file: Path) -> list[dict[str, Any]]:
    try:
        return [lease for lease in json.loads(file.read_text()) if "ip-address" in lease]
    except (OSError, ValueError, TypeError):
        return []


def _write(file: Path, leases: list[dict[str, Any]]) -> None:
    fresh = file.with_name(f"{file.name}.{os.getpid()}")
    fresh.write_text(json.dumps(leases, indent=2))
    fresh.replace(file)
