"""Device nodes below /dev, and the rules of the device cgroup (system/devices.c, process/device_cgroup.c)."""

from __future__ import annotations

from typing import Literal

from provisioner.observed import Items, Number, Observed, Text


class Device(Observed):
    """A device node below /dev.  `open` is the result of an open(O_RDONLY) without side effects; None if not tried."""

    path: Text
    kind: Literal["char", "block"]
    major: Number
    minor: Number
    open: Text | None


class DeviceRules(Observed):
    """The device cgroup: the lines of v1's devices.list, or the ids of v2's programs, those of ancestors included."""

    version: Literal[1, 2]
    rules: Items[Text]
    programs: Items[Number]
