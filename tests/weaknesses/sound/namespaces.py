"""Owners of namespaces: the user namespace of the process owns each of its namespaces."""

from __future__ import annotations

from typing import Any

INITIAL_USER = 4026531837
OWNED = ("cgroup", "ipc", "mnt", "net", "pid", "time", "uts")
VIEWS = ("host", "inside", "outside", "vmm", "exec", "peer_inside", "peer_outside")
OPEN = dict.fromkeys(("docker", "podman"), ("user.range_disjoint",))


def complete(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Give the peer its own ids, and add the owners as each view shows them."""
    for view in VIEWS:
        facts = document[view]
        if not facts or "unobserved" in facts:
            continue
        facts["tasks"] = [] if facts["view"] == "outside" else None
        process = facts["process"]
        user = process["namespaces"]["user"]
        process["owners"] = dict.fromkeys(OWNED, user)
        from_above = facts["view"] == "outside" and user != INITIAL_USER
        process["keeper"] = (
            [] if facts["view"] == "outside" else {"unobserved": "", "why": "looked at from outside alone"}
        )
        process["user_parents"] = [INITIAL_USER] if from_above else []
    if name == "container":
        for view in ("peer_inside", "peer_outside"):
            for which in ("uid_map", "gid_map"):
                document[view]["process"][which] = [{"inside": 0, "outside": 200000, "count": 65536}]
    return document
