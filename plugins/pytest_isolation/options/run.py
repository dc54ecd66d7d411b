"""What the user asked for, as one frozen object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

KINDS = ("container", "vm")
USERLANDS = ("busybox", "debian")
LOCAL = "local"


@dataclass(frozen=True)
class RunOptions:
    """
    What the user asked for.

    Attributes:
        kinds: "container", "vm" or both, in the order given.
        runtimes: the runtimes that were named; empty for all that are installed.
        required: runtimes, kinds or targets without which the run is a usage error.
        profile: the profile that must hold, as "baseline@1"; "" for none.
        report: the folder for facts/, results.json and index.html, or None.
        max_skip: the most cells that may be skipped, or None for any number.
        suite: whether the bundled suite is run beside the paths given.
        kernel: the kernel that micro VMs boot, or None for the distribution's.
        waivers: isolation.yaml with targets and waivers, or None.
        pyproject: the pyproject.toml that may have a table [tool.pytest-isolation], or None.
        scale: the factor of every deadline.
        sources: where each setting came from that is not the default: name, source.
        hosts: where container runtimes run: "local" or machines of lab.yaml, in the order given.
        machines: the machines of lab.yaml that are sandboxes themselves.
        lab: the lab.yaml, or None for the nearest.
        attach: running sandboxes to attach to, as "docker:NAME".
        commands: command lines that start a sandbox, as "docker run me/app" or "web=docker run me/app".
        images: images that each engine starts, as "me/app:1.4" or "web=app.tar".
        only_named: whether nothing but attached sandboxes and command lines was asked for.
        helper: whether helpers may look at the hosts of engines that are elsewhere.
        expected: the file of the documented exceptions of own checks, or None.
        targets: the names of isolation.yaml's targets that are columns instead of the installed container runtimes.
        checks: ids or globs of the checks that are run; empty for all.
        userland: the programs of the sandboxes that testinfra asks: "busybox" or "debian".
        roles: folders of own roles, the first that has a role decides.
    """

    kinds: tuple[str, ...]
    runtimes: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    profile: str = ""
    report: Path | None = None
    max_skip: int | None = None
    suite: bool = False
    kernel: Path | None = None
    waivers: Path | None = None
    scale: float = 1.0
    sources: tuple[tuple[str, str], ...] = ()
    hosts: tuple[str, ...] = (LOCAL,)
    machines: tuple[str, ...] = ()
    lab: Path | None = None
    attach: tuple[str, ...] = ()
    commands: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    only_named: bool = False
    expected: Path | None = None
    helper: bool = False
    pyproject: Path | None = None
    targets: tuple[str, ...] = ()
    userland: str = "busybox"
    checks: tuple[str, ...] = ()
    roles: tuple[Path, ...] = ()

    @property
    def needs_lab(self) -> bool:
        """Whether a machine of lab.yaml was named."""
        return bool(self.machines) or self.hosts != (LOCAL,)
