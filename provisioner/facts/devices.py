"""Device nodes, and the rules of the device cgroup (system/devices.c, system/nodes.c, process/device_cgroup.c)."""

from __future__ import annotations

from typing import Literal

from provisioner.facts.forms import AbsolutePath, DevicePart, DeviceRule
from provisioner.observed import Answer, Items, Number, Observed


class Device(Observed):
    """A device node.  `open` is the result of an open(O_RDONLY) without side effects; None if not tried."""

    path: AbsolutePath
    kind: Literal["char", "block"]
    major: DevicePart
    minor: DevicePart
    open: Answer | None


class Nodes(Observed):
    """
    The device nodes outside /dev, found by a bounded walk: first the folders near the root, no volumes.

    `entries` counts the directory entries that were seen, `unread` the folders that could not be listed.  If the walk
    is not `complete`, nodes in deeper folders may be missing.
    """

    entries: Number
    unread: Number
    complete: bool
    devices: Items[Device]


class DeviceRules(Observed):
    """The device cgroup: the lines of v1's devices.list, or the ids of v2's programs, those of ancestors included."""

    version: Literal[1, 2]
    rules: Items[DeviceRule]
    programs: Items[Number]
