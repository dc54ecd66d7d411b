"""Loads lab.yaml, which describes the machines of a lab, as one frozen object.

In: the nearest lab.yaml upwards, else the packaged one.  Out: `Lab` and its `MachineSpec`s, or an IsolationError with
file and line.  Creates nothing but the lab's folder in the state directory, named by the hash of lab.yaml's path: two
labs share nothing.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest, suggest_and_list
from provisioner.files.yaml import load_yaml
from provisioner.paths import PACKAGE, PASSABLE, state_dir
from provisioner.role_folders import add_roles_beside, role_folders

FILE = "lab.yaml"
BOXES = PACKAGE / "machines" / "box" / "boxes"

MachineName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}[a-z0-9]$")]  # also the machine's host name
VariableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
Scalar = bool | int | float | str
Hypervisor = Literal["libvirt", "virtualbox", "vmware_desktop", "parallels", "hyperv"]


class MachineEntry(BaseModel):
    """
    One machine in lab.yaml; every key is optional.

    Attributes:
        box: what the machine boots: a recipe's name ("debian12"), or a box that Vagrant knows ("debian/bookworm64").
        box_version: the version of a box that Vagrant knows; None for the newest.
        cpus: virtual processors.
        memory: MiB.
        cgroup: the cgroup version that its systemd mounts.
        provider: "vagrant", or "qemu": the same box booted directly, without Vagrant and libvirt.
        hypervisor: Vagrant's provider that runs it.  All but libvirt follow their documentation and are not verified;
            they need a box that Vagrant knows, but neither root nor the lab's own network.
        driver: libvirt's driver, "kvm" or "qemu" (emulation); None for kvm if KVM works on this host.
        roles: the roles to install on it: names of folders in roles/.
        bake: the roles whose packages are baked into its box, so that nothing is installed under emulation.
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
    def _are_known_roles(cls, roles: list[str]) -> list[str]:
        known = list(role_folders("role.yaml"))
        for at, role in enumerate(roles):
            if role not in known:
                raise ValueError(", ".join(filter(None, [f"no such role '{role}'", suggest(role, known)])))
            if role in roles[:at]:
                raise ValueError(f"the role '{role}' is listed twice")
        return roles

    @field_validator("box")
    @classmethod
    def _is_known_box(cls, box: str) -> str:
        recipes = sorted(path.stem for path in BOXES.glob("*.yaml"))
        if "/" not in box and box not in recipes:
            names = ", ".join(recipes)
            raise ValueError(f"should be a box built here ({names}), or a box that Vagrant knows, with a '/'")
        return box

    @model_validator(mode="after")
    def _keys_fit_together(self) -> Self:
        known_to_vagrant = "/" in self.box
        without_libvirt = self.hypervisor != "libvirt"
        refusals = (
            (self.box_version and not known_to_vagrant, "box_version: only a box that Vagrant knows has a version"),
            (self.cgroup == "v1" and known_to_vagrant, "cgroup: v1 needs a box built here, with its own kernel"),
            (self.bake and known_to_vagrant, "bake: only a box built here has baked roles"),
            (self.provider == "qemu" and known_to_vagrant, "provider: qemu boots only boxes built here"),
            (without_libvirt and not known_to_vagrant, f"hypervisor: {self.hypervisor} needs a box that Vagrant knows"),
            (without_libvirt and self.driver, "driver: only the hypervisor libvirt has a driver"),
        )
        for refused, why in refusals:
            if refused:
                raise ValueError(why)
        return self


class MachineSpec(MachineEntry):
    """One machine of a lab, with its name."""

    name: str


class LabFile(BaseModel):
    """The content of lab.yaml."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    machines: dict[MachineName, MachineEntry] = Field(min_length=1)


class Lab(BaseModel):
    """A lab: the path of its lab.yaml, and its machines by name."""

    model_config = ConfigDict(frozen=True)

    path: Path
    machines: dict[str, MachineSpec]

    @property
    def directory(self) -> Path:
        """The lab's folder for keys, disks and logs; created on first use.  Other users can enter but not list it."""
        labs = state_dir() / "labs"
        folder = labs / hashlib.sha256(str(self.path).encode()).hexdigest()[:12]
        for each in (labs, folder):
            if not each.is_dir():
                each.mkdir(mode=PASSABLE, exist_ok=True)
                each.chmod(PASSABLE)  # mkdir's mode is subject to the umask; the hypervisor runs as another user
        return folder

    def machine(self, name: str) -> MachineSpec:
        """Return one machine; IsolationError suggests the nearest name if there is no such machine."""
        if name in self.machines:
            return self.machines[name]
        listed = f"'{self.path}' has: {', '.join(sorted(self.machines))}"
        raise IsolationError(f"cannot find machine '{name}'", suggest_and_list(name, self.machines, listed))


def find_lab(start: Path | None = None) -> Path:
    """
    Return the nearest lab.yaml upwards from a folder (default: the working directory), else the packaged one.

    Raises:
        IsolationError: this process is root, and the file, or the link in its place, belongs to neither root nor the
            folder's owner: any user may put one into /tmp.
    """
    here = (start or Path.cwd()).resolve()
    found = next((path for folder in (here, *here.parents) if (path := folder / FILE).is_file()), None)
    if found is None:
        return PACKAGE / FILE
    for owner in (found.lstat().st_uid, found.stat().st_uid):  # who owns a link can let it lead elsewhere
        if os.geteuid() == 0 and owner not in (0, here.stat().st_uid):
            raise IsolationError(f"cannot use '{found}': it belongs to uid {owner}", "name the lab.yaml: --lab FILE")
    return found


def load_lab(path: Path | None = None) -> Lab:
    """
    Load a lab.

    Args:
        path: a lab.yaml; None for the nearest upwards, else the packaged one.  Roles in the folder `roles` beside it
            are known too.

    Raises:
        IsolationError: the file cannot be read or is invalid; with file, line and the nearest key.

    Example:
        >>> load_lab(PACKAGE / "lab.yaml").machines["debian12"].cgroup
        'v2'
    """
    file = path or find_lab()
    add_roles_beside(file)
    entries = load_yaml(file, LabFile).machines
    machines = {name: MachineSpec(name=name, **dict(entry)) for name, entry in entries.items()}
    return Lab(path=file.resolve(), machines=machines)
