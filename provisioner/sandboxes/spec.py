"""What is asked of one sandbox, and what stands around it.

In: nothing.  Out: frozen objects.  Made by loads.py, pytest_isolation's pool and tests; used by sandbox.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from provisioner.errors import IsolationError
from provisioner.hosts.host import Host, ImageName
from provisioner.images.image import Image
from provisioner.limits.limits import Limits

Edit = Callable[[dict[str, Any]], None]
# each limit that is asked for, with the values that its templates may name
LimitValues = Mapping[str, Mapping[str, object]]


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

    def asked(self) -> LimitValues:
        """Return each limit that is set, with the values that a runtime's templates may name."""
        asked: dict[str, Mapping[str, object]] = {}
        if self.limits.memory is not None:
            asked["memory"] = {"bytes": self.limits.memory, "mib": self.limits.memory >> 20}
        if self.limits.cpus is not None:
            asked["cpu"] = {"cpus": self.limits.cpus, "quota": int(self.limits.cpus * 100000), "period": 100000}
        if self.limits.pids is not None:
            asked["pids"] = {"count": self.limits.pids}
        return asked


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
