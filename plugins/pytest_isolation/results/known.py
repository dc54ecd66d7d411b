"""Known flaws: which versions they affect, and which check shows the sign of each.

In: known.yaml, and the record of a target.
Out: frozen `Known`s, and whether each affects the versions of the target.  A version is no observation
(docs/decisions/0011), so no verdict follows from it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, StringConstraints, model_validator

from provisioner.facts.document import Facts
from provisioner.files.yaml import load_yaml
from provisioner.runtimes.runtime import Runtime
from pytest_isolation.policy.expected import CheckId, Line
from pytest_isolation.policy.versions import has_fix, in_range, is_range, is_release
from pytest_isolation.records.record import Record

DATA = Path(__file__).with_name("known.yaml")
EVERY, EVERY_VERSION = ">=0", "every version"
Component = Literal[
    "docker",
    "containerd",
    "runc",
    "crun",
    "podman",
    "lxc",
    "systemd",
    "bubblewrap",
    "qemu",
    "kernel",  # of the host, which a container shares
    "kvm",  # of the host that a VM runs on
]
Standing = Literal["in range", "unknown"]
Package = Annotated[str, StringConstraints(pattern=r"^[0-9][A-Za-z0-9.+~:]*-[A-Za-z0-9.+~]+$")]
Release = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)*([-.~]?(alpha|beta|rc)[.-]?[0-9]+)?$")]


class Known(BaseModel):
    """
    One known flaw, and the checks that show its sign without harm.

    Attributes:
        id: "CVE-2024-21626", or the project's own name: "systemd #40501".
        component: the component with the flaw, as in the versions of targets.
        title: the flaw in a few words.
        affected: ranges of the project's versions; one that fits is enough.
        fixed: the first versions without the flaw; none if there is no fix.
        debian: the first packages of Debian with the fix, if their upstream version is still in range.
        checks: the checks of the suite that show the sign.
        sign: what they show.
        source: who published the flaw.
        read: where the ranges were read.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    id: Line
    component: Component
    title: Line
    affected: Annotated[list[Line], Field(min_length=1)]
    fixed: list[Release] = []
    debian: list[Package] = []
    checks: Annotated[list[CheckId], Field(min_length=1)]
    sign: Line
    source: Line
    read: Line

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Known:
        for wanted in self.affected:
            if not is_range(wanted):
                raise ValueError(f"{self.id}: '{wanted}' should be a range such as '>=1.0.0-rc93,<1.1.12'")
        for version in self.fixed:
            if self.affects(version):
                raise ValueError(f"{self.id}: {version} is fixed and affected")
        for package in self.debian:
            if not self.affects(package):
                raise ValueError(f"{self.id}: {package} needs no backport: its version is not affected")
        return self

    @property
    def range(self) -> str:
        """The affected versions as one text."""
        return EVERY_VERSION if self.affected == [EVERY] else " or ".join(self.affected)

    def affects(self, version: str) -> bool:
        """Whether the version's number is in range, whoever built it."""
        return bool(self.range_of(version))

    def range_of(self, version: str) -> str:
        """Return the range that the version's number is in, "" if it is in none."""
        found = next((wanted for wanted in self.affected if in_range(version, wanted)), "")
        return EVERY_VERSION if found == EVERY else found

    def standing(self, version: str) -> Standing | None:
        """
        Return whether this flaw affects a version: "in range", "unknown", or None if it does not.

        A distribution's build is "in range" only if the distribution's fix is known and is not in the build.
        """
        if not self.affects(version):
            return None
        if is_release(version):
            return "in range"
        found = {has_fix(version, fixed) for fixed in self.debian}
        if True in found:
            return None
        return "in range" if False in found else "unknown"


class KnownFile(RootModel[list[Known]]):
    """The file known.yaml."""

    model_config = ConfigDict(frozen=True, strict=True, title="known.yaml")

    @model_validator(mode="after")
    def _names_each_once(self) -> KnownFile:
        seen = set()
        for known in self.root:
            if (known.id, known.component) in seen:
                raise ValueError(f"{known.id} of {known.component} is there twice")
            seen.add((known.id, known.component))
        return self


def load_known(path: Path = DATA) -> tuple[Known, ...]:
    """Read a known.yaml; raises IsolationError with file, line and nearest key."""
    return tuple(load_yaml(path, KnownFile).root)


@cache
def bundled() -> tuple[Known, ...]:
    """Return the flaws of the package; they are read once."""
    return load_known()


def by_check(known: Iterable[Known]) -> dict[str, list[Known]]:
    """Return the flaws by the check that shows their sign."""
    found: dict[str, list[Known]] = {}
    for one in known:
        for check in one.checks:
            found.setdefault(check, []).append(one)
    return found


def components_of(runtime: Runtime) -> set[str]:
    """Return the components of a runtime's sandboxes, as its role names them."""
    version = runtime.version
    own = {version.of or runtime.name, *version.parts} if version else set()
    return own | {"kvm" if runtime.kind == "vm" else "kernel"}


def versions_of(record: Record) -> Mapping[str, str]:
    """
    Return the versions of the components that make a target's walls, by component.

    The host's kernel is one of them for a container, and for a VM that KVM runs.
    """
    target = record.target
    facts = record.raw("host")
    kernel = facts.system.kernel if isinstance(facts, Facts) and facts.system is not None else None
    found = dict(target.versions)
    text = kernel_version(kernel.release, kernel.version) if kernel else target.conditions.kernel or ""
    if target.kind == "container" and target.boundary in ("process", "none"):
        found["kernel"] = text
    elif target.conditions.has_kvm:
        found["kvm"] = text
    return {name: version for name, version in found.items() if version}


def kernel_version(release: str, version: str) -> str:
    """
    Return the version of a kernel: of its package if Debian built it, else its release.

    Debian's release names the ABI ("6.1.0-18-amd64"); the version names the package ("Debian 6.1.76-1").

    Args:
        release: the kernel's release (uname(2)).
        version: the kernel's version (uname(2)).
    """
    words = version.partition(" Debian ")[2].split()
    return words[0] if words else release
