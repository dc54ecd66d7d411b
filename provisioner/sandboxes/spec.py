"""What is asked of one sandbox, and the host around a sandbox that is a machine itself.  Frozen objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provisioner.errors import IsolationError
from provisioner.hosts.host import Host, ImageName
from provisioner.images.image import Image
from provisioner.limits.limits import Limits

Edit = Callable[[dict[str, Any]], None]

VOLUME = "/tmp"  # which every image has


class RefusedError(IsolationError):
    """The runtime would not create the sandbox as it was asked to; `what` holds the runtime's own words."""


@dataclass(frozen=True)
class Spec:
    """
    What is asked of one sandbox.

    Attributes:
        limits: bounds to set.
        network: "none", "private" or "host".
        image: "probe", which holds the probe alone, "shell", with a BusyBox beside it, or what is asked of it.
        volume: a folder of the host that is shared with it, at VOLUME.
        flags: further arguments for `create`, before the image.
        edits: functions that change the runtime's config before it is used (for runtimes with a `prepare`).
    """

    limits: Limits = field(default_factory=Limits)
    network: str = "none"
    image: ImageName | Image = "probe"
    volume: Path | None = None
    flags: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class OuterHost:
    """
    What stands around a sandbox that is a machine itself: commands run *in* it, and are seen from elsewhere.

    Attributes:
        host: the host that the machine runs on.
        vmm_pid: its hypervisor's process there, None where nobody knows.
        provider: what started it, as lab.yaml names it.
    """

    host: Host
    vmm_pid: int | None
    provider: str = ""
