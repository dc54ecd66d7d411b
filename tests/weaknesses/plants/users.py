"""Plants of users: ranges of ids, groups that may be dropped, user namespaces within."""

from __future__ import annotations

from typing import Any

from ground import Edit, append, docker_profile, mount_option, put
from plant import Make, Plant, edits, flags


def mapped(first: int, count: int = 65536) -> tuple[Edit, ...]:
    """Return the edits to a user namespace with this range."""
    ranges = [{"containerID": 0, "hostID": first, "size": count}]
    namespace = append("linux.namespaces", {"type": "user"})
    return namespace, put("linux.uidMappings", ranges), put("linux.gidMappings", ranges)


def range_flags(first: int, count: int = 65536) -> tuple[str, ...]:
    """Return the same in podman's words."""
    return "--uidmap", f"0:{first}:{count}", "--gidmap", f"0:{first}:{count}"


def without_userns_within(config: dict[str, Any]) -> None:
    """Refuse unshare as well as the dangerous calls."""
    profile = docker_profile("")
    profile["syscalls"][0]["names"].append("unshare")
    put("linux.seccomp", profile)(config)


BASES: dict[tuple[str, str], Make] = {("runc", "no unshare"): edits(without_userns_within)}

PLANTS = (
    Plant(
        "one range for both",
        ("runc",),
        {"user.range_disjoint": "uids 100000 to 165535, gids 100000 to 165535"},
        spec=edits(*mapped(100000)),
        base="userns",
        also={"key.quota": "open"},
        planted_peer=True,
    ),
    Plant(
        "ranges that touch",
        ("podman",),
        {"user.range_disjoint": "uids 165535 to 165535"},
        spec=flags(*range_flags(100000)),
        base="userns",
        peer=flags(*range_flags(165535)),
    ),
    Plant(
        "a map of one group, by root",
        ("runc",),
        {"user.setgroups": "setgroups is 'allow'"},
        spec=edits(*mapped(100000, 1), mount_option("/dev/pts", remove="gid=5")),
        base="userns",
    ),
    Plant(
        "a map of one group, by root",
        ("podman",),
        {"user.setgroups": "setgroups is 'allow'"},
        spec=flags(*range_flags(100000, 1)),
        base="userns",
    ),
    Plant(
        "a profile that allows unshare",
        ("runc",),
        {"user.nested_userns": "user namespace in which it has every capability"},
        spec=edits(put("linux.seccomp", docker_profile(""))),
        base="no unshare",
    ),
    # look-alikes
    *(
        Plant(
            "a range for each", (runtime,), also={"user.range_disjoint": "holds"}, spec=spec, base="userns", peer=peer
        )
        for runtime, spec, peer in (
            ("runc", edits(*mapped(100000)), edits(*mapped(165536))),
            ("podman", flags(*range_flags(100000)), flags(*range_flags(165536))),
        )
    ),
)
