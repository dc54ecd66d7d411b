"""What is asked of one sandbox, and the host around a sandbox that is a machine itself.  Frozen objects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provisioner.errors import IsolationError
from provisioner.hosts.host import Host
from provisioner.hosts.runtime_images import ImageName
from provisioner.images.image import Image
from provisioner.limits.limits import Limits

Edit = Callable[[dict[str, Any]], None]

VOLUME = "/tmp"  # which every image has


class RefusedError(IsolationError):
    """The runtime refused to create the sandbox; `what` holds the runtime's own words."""


@dataclass(frozen=True)
class Spec:
    """
    What is asked of one sandbox.

    Attributes:
        limits: the limits to set.
        network: "none", "private" or "host".
        image: "probe" (only the probe), "shell" (with BusyBox), "debian", or an Image.
        volumes: folders of the host that are shared with it, each with its path inside.
        flags: further arguments for `create`, before the image.
        edits: functions that change the runtime's config before it is used (for runtimes with a `prepare`).
    """

    limits: Limits = field(default_factory=Limits)
    network: str = "none"
    image: ImageName | Image = "probe"
    volumes: tuple[tuple[Path, str], ...] = ()
    flags: tuple[str, ...] = ()
    edits: tuple[Edit, ...] = ()


@dataclass(frozen=True)
class OuterHost:
    """
    The host of a machine that is a sandbox itself: commands run in the machine, this host sees it from outside.

    Attributes:
        host: the host that the machine runs on.
        vmm_pid: the pid of its hypervisor there, None if unknown.
        provider: the machine's provider in lab.yaml.
    """

    host: Host
    vmm_pid: int | None
    provider: str = ""
