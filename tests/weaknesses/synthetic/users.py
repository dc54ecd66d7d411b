"""Synthetic weaknesses and look-alikes: users."""

from __future__ import annotations

from weakness import Lookalike, proc, put, weak

WEAKNESSES = (
    weak(
        "user.root_mapped",
        "unshare -Ur by root",
        put("outside", "process", "uid_map", 0, "outside", to=0),
        "its root is the host's root",
    ),
    weak("user.root_mapped", "uid 0 on the host", proc("outside", "uid", [0] * 4), "runs as the host's root"),
    weak(
        "user.root_mapped",
        "QEMU as root",
        proc("vmm", "uid", [0] * 4),
        "hypervisor's process",
        "vm.process",
        record="vm",
    ),
    weak("user.nonroot", "--user 0", proc("inside", "uid", [0] * 4), "uid 0 inside"),
    weak("user.nonroot", "root in the guest", proc("inside", "uid", [0] * 4), "uid 0 inside", record="vm"),
    weak("user.nonroot", "a saved uid of 0", proc("inside", "uid", [1000, 1000, 0, 1000]), "uid 0 inside"),
    weak("user.groups", "--group-add disk", proc("outside", "groups", [6]), "groups 6"),
    weak("user.groups", "group 0 kept", proc("outside", "groups", [0, 101000]), "groups 0"),
)

LOOKALIKES = (
    Lookalike("a group that is mapped nowhere", "container", proc("outside", "groups", [65534])),
    Lookalike("its own primary group once more", "container", proc("outside", "groups", [101000])),
    Lookalike("no root in its map", "container", put("outside", "process", "uid_map", 0, "inside", to=1000)),
)
