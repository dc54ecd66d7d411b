"""Plants of users: id ranges, groups that may be dropped, nested user namespaces."""

from __future__ import annotations

import grp
from collections.abc import Mapping
from typing import Any

from ground import Ground
from oci_edits import Edit, append, grant, mount_option, put, remove
from plant import Make, Plant, edits, flags, opened
from profiles import docker_profile

from plants.tasks import executed


def mapped(first: int, count: int = 65536) -> tuple[Edit, ...]:
    """Return the edits to a user namespace with this range."""
    ranges = [{"containerID": 0, "hostID": first, "size": count}]
    namespace = append("linux.namespaces", {"type": "user"})
    return namespace, put("linux.uidMappings", ranges), put("linux.gidMappings", ranges)


def range_flags(first: int, count: int = 65536) -> tuple[str, ...]:
    """Return the same in podman's words."""
    return "--uidmap", f"0:{first}:{count}", "--gidmap", f"0:{first}:{count}"


def with_host_id(what: str, at: int, host: int) -> tuple[Edit, ...]:
    """Return the edits to a user namespace in which the id `at` inside is `host` on the host ("uid" or "gid")."""
    lines = [(0, 100000, at), (at, host, 1), (at + 1, 100000 + at + 1, 65535 - at)]
    ranges = [{"containerID": inside, "hostID": outside, "size": count} for inside, outside, count in lines if count]
    return *mapped(100000), put(f"linux.{what}Mappings", ranges)


def group_of_the_host(name: str) -> str:
    """Return the id of a group by this host's /etc/group."""
    return str(grp.getgrnam(name).gr_gid)


def has_group(name: str) -> bool:
    """Whether this host's /etc/group has the group."""
    return any(one.gr_name == name for one in grp.getgrall())


def without_userns_within(config: dict[str, Any]) -> None:
    """Refuse unshare and the other dangerous calls."""
    put("linux.seccomp", docker_profile(""))(config)


def id_mapped(ground: Ground) -> Mapping[str, Any]:
    """Return the overlay that shares the folder by an ID-mapped mount, which turns the sandbox's own map round."""
    volume = ground.runtime.volume
    assert volume is not None
    mounts = volume.config["mounts"]
    assert "'rbind'" in mounts
    return {"volume": {"config": {"mounts": mounts.replace("'rbind'", "'idmap', 'rbind'")}}}


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
        {
            "user.nested_userns": "user namespace in which it has every capability",
            "seccomp.dangerous": "the filter lets through unshare",
        },
        spec=edits(put("linux.seccomp", docker_profile("unshare"))),
        base="no unshare",
    ),
    *(
        Plant(
            "a file on a volume, without a user namespace",
            (runtime,),
            {"user.file_owner": "belongs to the host's root", "ns.user": "host's user namespace"},
            opened("user.root_mapped", "user.range_disjoint", *quota),
            base="userns",
            volume=True,
        )
        for runtime, quota in (("runc", ("key.quota",)), ("crun", ("key.quota",)), ("podman", ()))
    ),
    Plant(
        "a file on an ID-mapped volume",
        ("crun",),
        {"user.file_owner": "belongs to the host's root"},
        spec=edits(*mapped(100000)),
        base="userns",
        overlay=id_mapped,
        volume=True,
    ),
    # ids of the host at any id inside
    *(
        Plant(
            f"the host's root as {what} {at}",
            ("runc", "crun"),
            {"user.root_mapped": f"its {what} {at} is the host's {told}"},
            spec=edits(*with_host_id(what, at, 0)),
            base="userns",
        )
        for what, at, told in (("uid", 1000, "root"), ("uid", 65535, "root"), ("gid", 1000, "group 0"))
    ),
    Plant(
        "the host's root as uid and gid 1000, CAP_DAC_OVERRIDE and a writable /proc/fs",
        ("runc",),
        {
            "path.bus_irq_fs": "/proc/fs is mounted writable",
            "user.root_mapped": "its uid 1000 is the host's root",
            "cap.bounding": "DAC_OVERRIDE",
        },
        spec=edits(
            *with_host_id("uid", 1000, 0),
            *with_host_id("gid", 1000, 0)[-1:],
            grant("bounding", "permitted", "effective", names=["DAC_OVERRIDE"]),
            remove("linux.readonlyPaths", "/proc/fs"),
        ),
        base="userns",
        needs="/proc/fs",
    ),
    *(
        Plant(
            f"the group {name} of the host as gid {at}",
            ("runc", "crun"),
            {"user.groups": f"its gid {at} is the host's group {name}"},
            spec=lambda ground, name=name, at=at: edits(*with_host_id("gid", at, int(group_of_the_host(name)))),
            base="userns",
            when=has_group(name),
        )
        for name, at in (("disk", 2000), ("shadow", 65535), ("docker", 50))
    ),
    Plant(
        "a range of groups that begins in the host's own",
        ("podman",),
        {"user.groups": "is the host's group"},
        spec=flags("--uidmap", "0:100000:65536", "--gidmap", "0:1:65536"),
        base="userns",
    ),
    Plant(
        "an exec that stays, in the host's group docker",
        ("runc",),
        {"user.groups": "is in the host's group docker", "proc.parity": "has the groups"},
        beside=lambda ground, sandbox: executed("--additional-gids", group_of_the_host("docker"))(ground, sandbox),
        when=has_group("docker"),
    ),
    Plant(
        "the primary group disk of the host",
        ("runc", "crun"),
        {"user.groups": "it is in the host's group disk"},
        spec=edits(put("process.user", {"uid": 1000, "gid": 6})),
        base="user",
    ),
    Plant(
        "ranges that have one id in common",
        ("runc", "crun"),
        {"user.range_disjoint": "uids 165535 to 165535"},
        spec=edits(*mapped(100000)),
        base="userns",
        peer=edits(*mapped(165535)),
    ),
    # look-alikes
    Plant(
        "an id that no group of the host has",
        ("runc", "crun"),
        spec=edits(*with_host_id("gid", 1000, 64999)),
        base="userns",
    ),
    *(
        Plant("a file on a volume, with a user namespace", (runtime,), spec=spec, base="userns", volume=True)
        for runtime, spec in (
            ("runc", edits(*mapped(100000))),
            ("crun", edits(*mapped(100000))),
            ("podman", flags(*range_flags(100000))),
        )
    ),
    Plant("a file on a volume, of an unprivileged user's sandbox", ("bwrap",), volume=True),
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
