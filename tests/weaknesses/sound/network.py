"""The sound network: a member reaches its own services and the host reaches all; nobody else reaches anything."""

from __future__ import annotations

from typing import Any, cast

from provisioner.networks.member import Asked, Member
from provisioner.networks.plan import plan

NOBODY = cast("Asked", None)  # nothing is tried here
ADDRESSES = {
    "sandbox": ("172.17.0.2", "fd00:17::2"),
    "peer": ("172.17.0.3", "fd00:17::3"),
    "other": ("172.18.0.2", "fd00:18::2"),
    "none": (),
    "host": ("192.0.2.1", "2001:db8:1::1", "172.17.0.1", "172.18.0.1"),
    "lan": ("192.0.2.2", "2001:db8:1::2"),
}


def complete(document: dict[str, Any], name: str) -> None:
    """Add the tries of a network; the networks of a VM are not tried."""
    document["network"] = None if name == "vm" else seen()


def seen() -> dict[str, Any]:
    """Return tries in which every wall holds, before and after the filter was cleared."""
    members = [Member(name, NOBODY, addresses) for name, addresses in ADDRESSES.items()]
    attempts = [
        {
            **{key: getattr(one, key) for key in ("source", "target", "service", "address", "protocol", "port")},
            "result": "reached" if is_allowed(one) else "refused",
            "errno": "" if is_allowed(one) else "ECONNREFUSED",
        }
        for one in plan(members, published=True)
    ]
    again = [dict(one) for one in attempts]
    return {"attempts": attempts, "flushed": again, "seconds": 0.5, "forwards": True}


def is_allowed(one: Any) -> bool:
    """Tell whether a sound world lets a try through."""
    if one.service == "loopback":
        return one.source == "host" and one.address in ("127.0.0.1", "::1")
    if one.service == "published_local":
        return one.source == "host" and one.address == "127.0.0.1"
    if one.service == "published":
        return one.source == "host" or (one.source != "none" and one.address != "127.0.0.1")
    return one.source in (one.target, "host")
