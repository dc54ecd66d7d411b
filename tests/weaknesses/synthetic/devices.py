"""Synthetic weaknesses and look-alikes: devices."""

from __future__ import annotations

from weakness import Lookalike, add, node, put, weak

WEAKNESSES = (
    weak(
        "dev.nodes",
        "--device /dev/kvm",
        add("inside", "system", "devices", item=node("/dev/kvm", "char", 10, 232, "EPERM")),
        "/dev/kvm",
    ),
    weak(
        "dev.nodes", "/dev/null is another device", put("inside", "system", "devices", 0, "minor", to=12), "/dev/null"
    ),
    weak(
        "dev.nodes",
        "a block node that does not open",
        add("inside", "system", "devices", item=node("/dev/sdb", "block", 8, 16, "EPERM")),
        "/dev/sdb",
    ),
    weak(
        "dev.block",
        "--device LOOP",
        add("inside", "system", "devices", item=node("/dev/loop7", "block", 7, 7, "ok")),
        "/dev/loop7 opens for reading",
        "dev.nodes",
    ),
    weak(
        "dev.block",
        "a raw disk of the host",
        add("vmm", "process", "fds", item={"fd": 13, "target": "/dev/sda"}),
        "hypervisor has the host's /dev/sda open",
        record="vm",
    ),
)

LOOKALIKES = (
    Lookalike(
        "a pty for a console",
        "container",
        add("inside", "system", "devices", item=node("/dev/console", "char", 136, 1)),
    ),
    Lookalike(
        "a disk of its own", "vm", add("inside", "system", "devices", item=node("/dev/vdb", "block", 254, 16, "ok"))
    ),
)
