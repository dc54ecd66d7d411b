"""Finds the machine that lab.yaml speaks of, with its box and its provider.

In: a lab, a machine's name, a Run.  Out: a `Machine`.  Called by ready.py, verbs.py, kept.py and the journal's undo.
A provider is a module of this folder; its own modules are imported only when a machine of it is asked for.  A machine
that lab.yaml names no longer is known by what lies in the lab's folder, so that it can be seen and stopped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from provisioner.converge.role import load_roles
from provisioner.errors import IsolationError
from provisioner.machines.box.build import Box, build_box, find_box
from provisioner.machines.box.recipe import recipe_names
from provisioner.machines.lab import Lab, MachineSpec

if TYPE_CHECKING:
    from provisioner.journal.run import Run
    from provisioner.machines.protocol import Machine


def baked_packages(spec: MachineSpec) -> list[str]:
    """Return the packages of the roles that are baked into a machine's box, in order, each once."""
    return packages_of(spec.bake)


def packages_of(roles: Sequence[str]) -> list[str]:
    """Return the packages of roles and of those that they need; IsolationError for one that is none."""
    packages = [name for role in load_roles(roles) for name in role.resources.get("package", ())]
    return list(dict.fromkeys(packages))


def box_of(spec: MachineSpec, build: bool) -> Box | None:
    """
    Return the box that a machine boots, None for one that only Vagrant knows or that is not built and shall not be.

    Raises:
        IsolationError: it cannot be built.
    """
    if spec.box not in recipe_names():
        return None
    return build_box(spec.box, baked_packages(spec)) if build else find_box(spec.box, baked_packages(spec))


def find_machine(lab: Lab, name: str, run: Run, build: bool = False) -> Machine:
    """
    Return a machine of a lab; nothing is started.

    Args:
        lab: its lab.
        name: its name in lab.yaml.
        run: whose journal knows of what is being started.
        build: whether its box is built where there is none.

    Raises:
        IsolationError: no such machine, or its box is not built (yet).
    """
    spec = lab.machine(name)
    box = box_of(spec, build)
    if box is None and spec.box in recipe_names():
        raise IsolationError(f"cannot find the box of machine '{name}': it is not built", hint=f"provisioner up {name}")
    return PROVIDERS[spec.provider](spec, box, lab, run)


def known_machines(lab: Lab, name: str, run: Run) -> list[Machine]:
    """Return what there is of a machine, to be looked at or stopped, not started: its box may be gone."""
    return [known_machine(lab, spec, run) for spec in known_specs(lab, name)]


def known_specs(lab: Lab, name: str) -> list[MachineSpec]:
    """
    Return the machine of a name that lab.yaml has, if it has, and what another provider has left of one of that name.

    Raises:
        IsolationError: lab.yaml names no such machine, and nothing of one lies in the lab's folder.
    """
    strays = [spec for spec in find_orphans(lab) if spec.name == name]
    return [lab.machines[name], *strays] if name in lab.machines else strays or [lab.machine(name)]


def known_machine(lab: Lab, spec: MachineSpec, run: Run) -> Machine:
    """Return one machine, to be looked at or stopped, not started."""
    return PROVIDERS[spec.provider](spec, _box_if_built(spec), lab, run)


def find_orphans(lab: Lab) -> list[MachineSpec]:
    """Return what lies in the lab's folder and lab.yaml does not name, not any more, or with another provider."""
    found = [(file.parent.parent.name, "qemu") for file in lab.directory.glob("*/vmm/disk.qcow2")]
    found += [(file.stem, "vagrant") for file in lab.directory.glob("*.made")]
    named = {(spec.name, spec.provider) for spec in lab.machines.values()}
    return [
        MachineSpec.model_validate({"name": name, "provider": provider})
        for name, provider in sorted(found)
        if (name, provider) not in named
    ]


def _box_if_built(spec: MachineSpec) -> Box | None:
    """Return a machine's box; what cannot be read any more must not keep a machine from being stopped."""
    try:
        return box_of(spec, build=False)
    except IsolationError:
        return None


def _qemu(spec: MachineSpec, box: Box | None, lab: Lab, run: Run) -> Machine:
    from provisioner.machines.qemu.machine import QemuMachine

    return QemuMachine(spec, box, lab.directory / spec.name, run)


def _vagrant(spec: MachineSpec, box: Box | None, lab: Lab, run: Run) -> Machine:
    if spec.hypervisor != "libvirt":
        from provisioner.machines.vagrant.other_providers import ElsewhereMachine

        return ElsewhereMachine(spec, lab.directory, run)
    from provisioner.machines.vagrant.machine import VagrantMachine

    return VagrantMachine(spec, box, lab.directory, run)


PROVIDERS: dict[str, Callable[[MachineSpec, Box | None, Lab, Run], Machine]] = {"qemu": _qemu, "vagrant": _vagrant}
