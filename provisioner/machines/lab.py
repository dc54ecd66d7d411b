"""The machines of a lab: lab.yaml as one frozen object.

In: the nearest lab.yaml upwards, else the packaged one.  Out: `Lab` and its `MachineSpec`s, or one IsolationError with
file and line.  Called by cli.py, machines/ and pytest_isolation's targets.  It touches no machine; the one thing it
makes is the lab's own folder in the user's state, named by the hash of lab.yaml's path, so that two labs never meet.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest, suggest_and_list
from provisioner.files.yaml import load_yaml
from provisioner.paths import PACKAGE, PASSABLE, ROLES, state_dir

FILE = "lab.yaml"
BOXES = PACKAGE / "machines" / "box" / "boxes"

MachineName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$")]  # a host name too
VariableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Scalar = bool | int | float | str
Hypervisor = Literal["libvirt", "virtualbox", "vmware_desktop", "parallels", "hyperv"]


class MachineEntry(BaseModel):
    """
    What lab.yaml says of one machine; every key may be left out.

    Attributes:
        box: what it boots: a box of our own by its name, or one that Vagrant knows ("debian/bookworm64").
        box_version: the one version to take of a box that Vagrant knows; pin it, or the newest one there is taken.
        cpus: virtual processors.
        memory: MiB.
        cgroup: which hierarchy its systemd mounts.
        provider: "vagrant", or "qemu": the same box booted directly, without Vagrant and libvirt.
        hypervisor: which of Vagrant's providers runs it.  All but libvirt are written to their documentation and not
            verified; they take boxes that Vagrant knows, and need neither root nor a network of the lab's own.
        driver: libvirt's: "kvm" or "qemu" (emulation); None lets the timed loop decide.
        roles: what is installed on it, by the names of the folders in roles/.
        bake: roles whose packages lie in its box already, so that nothing is installed under emulation.
        variables: values for the roles' templates.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    box: str = Field(default="debian12", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)?$")
    box_version: str | None = Field(default=None, pattern=r"^[0-9][0-9A-Za-z.-]*$")
    cpus: int = Field(default=2, ge=1, le=256)
    memory: int = Field(default=1024, ge=256, le=1 << 20)
    cgroup: Literal["v2", "v1"] = "v2"
    provider: Literal["vagrant", "qemu"] = "vagrant"
    hypervisor: Hypervisor = "libvirt"
    driver: Literal["kvm", "qemu"] | None = None
    roles: list[str] = []
    bake: list[str] = []
    variables: dict[VariableName, Scalar] = {}

    @field_validator("roles", "bake")
    @classmethod
    def _known(cls, roles: list[str]) -> list[str]:
        for at, role in enumerate(roles):
            if not (ROLES / role).is_dir() or "/" in role or role.startswith("."):
                known = sorted(path.name for path in ROLES.iterdir() if path.is_dir())
                raise ValueError(", ".join(filter(None, [f"no such role '{role}'", suggest(role, known)])))
            if role in roles[:at]:
                raise ValueError(f"the role '{role}' stands twice")
        return roles

    @field_validator("box")
    @classmethod
    def _box_is_ours_or_vagrants(cls, box: str) -> str:
        ours = sorted(path.stem for path in BOXES.glob("*.yaml"))
        if "/" not in box and box not in ours:
            raise ValueError(f"should be a box of ours ({', '.join(ours)}) or, with a '/', one that Vagrant knows")
        return box

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        public = "/" in self.box
        elsewhere = self.hypervisor != "libvirt"
        refusals = (
            (self.box_version and not public, "box_version: only a box that Vagrant knows has one"),
            (self.cgroup == "v1" and public, "cgroup: v1 needs a box of our own, whose kernel is booted directly"),
            (self.bake and public, "bake: only into a box of our own"),
            (self.provider == "qemu" and public, "provider: qemu boots only boxes of our own"),
            (elsewhere and not public, f"hypervisor: {self.hypervisor} needs a box that Vagrant knows"),
            (elsewhere and self.driver, "driver: only hypervisor libvirt has one"),
        )
        for refused, why in refusals:
            if refused:
                raise ValueError(why)
        return self


class MachineSpec(MachineEntry):
    """One machine of a lab, with its name."""

    name: str


class LabFile(BaseModel):
    """lab.yaml as it is written."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    machines: dict[MachineName, MachineEntry] = Field(min_length=1)


class Lab(BaseModel):
    """A lab: where its file is, and its machines by their names."""

    model_config = ConfigDict(frozen=True)

    path: Path
    machines: dict[str, MachineSpec]

    @property
    def directory(self) -> Path:
        """The lab's own folder: keys, disks, logs.  It is there, and can be passed through but not listed."""
        labs = state_dir() / "labs"
        folder = labs / hashlib.sha256(str(self.path).encode()).hexdigest()[:12]
        for each in (labs, folder):
            if not each.is_dir():
                each.mkdir(mode=PASSABLE, exist_ok=True)
                each.chmod(PASSABLE)  # whatever the umask: the hypervisor runs as another user
        return folder

    def machine(self, name: str) -> MachineSpec:
        """Return one machine; IsolationError names the nearest when there is none of that name."""
        if name in self.machines:
            return self.machines[name]
        listed = f"'{self.path}' has: {', '.join(sorted(self.machines))}"
        raise IsolationError(f"cannot find machine '{name}'", suggest_and_list(name, self.machines, listed))


def find_lab(start: Path | None = None) -> Path:
    """Return the nearest lab.yaml from a folder upwards, else the packaged one."""
    here = (start or Path.cwd()).resolve()
    return next((path for folder in (here, *here.parents) if (path := folder / FILE).is_file()), PACKAGE / FILE)


def load_lab(path: Path | None = None) -> Lab:
    """
    Read a lab.

    Args:
        path: a lab.yaml; None for the nearest upwards, else the packaged one.

    Raises:
        IsolationError: it cannot be read, or says what cannot be; with file, line and the nearest key.

    Example:
        >>> load_lab(PACKAGE / "lab.yaml").machines["debian12"].cgroup
        'v2'
    """
    file = path or find_lab()
    entries = load_yaml(file, LabFile).machines
    machines = {name: MachineSpec(name=name, **dict(entry)) for name, entry in entries.items()}
    return Lab(path=file.resolve(), machines=machines)
