"""Synthetic weaknesses and look-alikes: users."""

from __future__ import annotations

from fact_parts import INITIAL, Dict
from weakness import Edit, Lookalike, proc, put, row, weak

from synthetic.tasks import beside

RANGE = [{"inside": 0, "outside": 100000, "count": 65536}]


def ids(*lines: tuple[int, int, int]) -> list[Dict]:
    """Return a map of lines (inside, outside, count)."""
    return [{"inside": inside, "outside": outside, "count": count} for inside, outside, count in lines]


def with_host_id(what: str, at: int, host: int) -> Edit:
    """Return the edit to a map of 65536 ids, as a sound one, in which the id `at` inside is `host` on the host."""
    lines = [(0, 100000, at), (at, host, 1), (at + 1, 100000 + at + 1, 65535 - at)]
    return put("outside", "process", f"{what}_map", to=ids(*(line for line in lines if line[2])))


def single_group(setgroups: str) -> Edit:
    """Return the edit to a map of one group."""

    def edit(document: Dict) -> None:
        document["outside"]["process"]["gid_map"][0]["count"] = 1
        document["outside"]["process"]["setgroups"] = setgroups

    return edit


WEAKNESSES = (
    weak(
        "user.root_mapped",
        "unshare -Ur by root",
        put("outside", "process", "uid_map", 0, "outside", to=0),
        "its root is the host's root",
    ),
    weak("user.root_mapped", "uid 0 on the host", proc("outside", "uid", [0] * 4), "runs as the host's root"),
    *(
        weak("user.root_mapped", f"uid {at} is the host's 0", with_host_id("uid", at, 0), f"its uid {at} is the host")
        for at in (1, 1000, 65535)
    ),
    *(
        weak("user.root_mapped", f"gid {at} is the host's 0", with_host_id("gid", at, 0), f"its gid {at} is the host")
        for at in (0, 1000, 65535)
    ),
    weak("user.root_mapped", "the host's group 0 kept", proc("outside", "gid", [0] * 4), "has the host's group 0"),
    weak(
        "user.root_mapped",
        "QEMU as root",
        proc("vmm", "uid", [0] * 4),
        "hypervisor's process",
        "vm.process",
        record="vm",
    ),
    weak("user.file_owner", "an ID-mapped mount", put("shared_file", "uid", to=0), "belongs to the host's root"),
    weak(
        "user.file_owner",
        "an ID-mapped mount, another user",
        put("shared_file", "uid", to=1000),
        "uid 1000, which its user namespace does not map",
    ),
    *(
        weak("user.file_owner", f"just beside its range, {uid}", put("shared_file", "uid", to=uid), f"uid {uid}, which")
        for uid in (99999, 165536)
    ),
    weak(
        "user.file_owner",
        "another user, ids as on the host",
        put("shared_file", "users", to=INITIAL["user"]),
        "uid 101000: its ids are the host's own",
    ),
    weak("user.nonroot", "--user 0", proc("inside", "uid", [0] * 4), "uid 0 inside"),
    weak("user.nonroot", "root in the guest", proc("inside", "uid", [0] * 4), "uid 0 inside", record="vm"),
    weak("user.nonroot", "a saved uid of 0", proc("inside", "uid", [1000, 1000, 0, 1000]), "uid 0 inside"),
    weak("user.groups", "--group-add disk", proc("outside", "groups", [6]), "groups 6 (disk)"),
    *(
        weak("user.groups", f"{name} mapped", with_host_id("gid", 1000, gid), f"gid 1000 is the host's group {name}")
        for name, gid in (("disk", 6), ("shadow", 42), ("docker", 996))
    ),
    weak("user.groups", "its own group is docker", proc("outside", "gid", [996] * 4), "is in the host's group docker"),
    weak(
        "user.groups",
        "another process in the group docker",
        beside(groups=[101000, 996]),
        "process 4300 (sh) is in the host's group docker (996)",
        "proc.parity",
    ),
    weak(
        "user.groups", "another process of the group kvm", beside(gid=[997] * 4), "4300 (sh) is in the host's group kvm"
    ),
    weak("user.groups", "group 0 kept", proc("outside", "groups", [0, 101000]), "groups 0"),
    weak(
        "user.range_disjoint",
        "one range for all",
        put("peer_outside", "process", "uid_map", to=RANGE),
        "uids 100000 to 165535 in common",
    ),
    weak(
        "user.range_disjoint",
        "the last group is the other's first",
        put("peer_outside", "process", "gid_map", 0, "outside", to=165535),
        "gids 165535 to 165535",
    ),
    weak("user.setgroups", "a helper wrote the map", single_group("allow"), "setgroups is 'allow'"),
    weak(
        "user.nested_userns",
        "seccomp=unconfined",
        row("unshare.newuser", "ok"),
        "user namespace in which it has every capability",
    ),
)

LOOKALIKES = (
    *(
        Lookalike(f"its file belongs to uid {uid} of its range", "container", put("shared_file", "uid", to=uid))
        for uid in (100000, 165535)
    ),
    Lookalike("its file belongs to a group of the host", "container", put("shared_file", "gid", to=0)),
    Lookalike(
        "no folder that could be shared",
        "docker",
        put("shared_file", to=None),
        (("user.file_owner", "not_applicable"),),
    ),
    Lookalike(
        "a range beside the peer's", "container", put("peer_outside", "process", "gid_map", 0, "outside", to=165536)
    ),
    Lookalike("the filter answers otherwise", "container", row("unshare.newuser", "EPERM")),
    Lookalike("max_user_namespaces is reached", "docker", row("unshare.newuser", "ENOSPC")),
    Lookalike("a map of one group without setgroups", "container", single_group("deny")),
    Lookalike("a group that is mapped nowhere", "container", proc("outside", "groups", [65534])),
    Lookalike("its own primary group once more", "container", proc("outside", "groups", [101000])),
    Lookalike("the host's group of another name", "container", with_host_id("gid", 1000, 106)),
    Lookalike("the number 996 inside", "container", beside(groups=[100996]), (("proc.parity", "open"),)),
    Lookalike("a host without /etc/group", "container", put("host", "system", "groups", to=None)),
    Lookalike("the container's root in its group 0", "docker", beside(groups=[0])),
    Lookalike("no root in its map", "container", put("outside", "process", "uid_map", 0, "inside", to=1000)),
)
