"""Finds a machine of a lab, with its box and its provider.

In: a lab, a machine's name, a Run.  Out: a `Machine`.  A provider's modules are imported when a machine needs them.  A
machine that lab.yaml does not name any more (an orphan) is found by its files in the lab's folder, so that it can be
listed and stopped.
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
    return role_packages(spec.bake)


def role_packages(roles: Sequence[str]) -> list[str]:
    """
    Return the packages of roles and of the roles that they need, for any version of Debian.

    Those that only later versions need are installed while the machine converges.

    Raises:
        IsolationError: there is no such role.
    """
    packages = [item for role in load_roles(roles) for item in role.resources.get("package", ())]
    return list(dict.fromkeys(item for item in packages if isinstance(item, str)))


def box_of(spec: MachineSpec, build: bool) -> Box | None:
    """
    Return the box that a machine boots.

    Args:
        spec: the machine's configuration.
        build: whether to build the box if it is not built.

    Returns:
        None for a box that Vagrant knows, and for one that is not built if `build` is False.

    Raises:
        IsolationError: the box cannot be built.
    """
    if spec.box not in recipe_names():
        return None
    return build_box(spec.box, baked_packages(spec)) if build else find_box(spec.box, baked_packages(spec))


def find_machine(lab: Lab, name: str, run: Run, build: bool = False) -> Machine:
    """
    Return a machine of a lab; nothing is started.

    Args:
        lab: the machine's lab.
        name: the machine's name in lab.yaml.
        run: the journal that the machine writes to.
        build: whether to build its box if it is not built.

    Raises:
        IsolationError: there is no such machine, or its box is not built.
    """
    spec = lab.machine(name)
    box = box_of(spec, build)
    if box is None and spec.box in recipe_names():
        raise IsolationError(f"cannot find the box of machine '{name}': it is not built", hint=f"provisioner up {name}")
    return PROVIDERS[spec.provider](spec, box, lab, run)


def known_machines(lab: Lab, name: str, run: Run) -> list[Machine]:
    """
    Return the machines of a name, to be inspected or stopped, not started: their boxes may be gone.

    Args:
        lab: the machines' lab.
        name: the name.
        run: the journal that the machines write to.

    Raises:
        IsolationError: there is no machine of that name, not even an orphan.
    """
    return [known_machine(lab, spec, run) for spec in known_specs(lab, name)]


def known_specs(lab: Lab, name: str) -> list[MachineSpec]:
    """
    Return lab.yaml's machine of a name, and the orphans of that name that other providers have left.

    Raises:
        IsolationError: lab.yaml names no such machine, and there is no orphan of that name.
    """
    orphans = [spec for spec in find_orphans(lab) if spec.name == name]
    return [lab.machines[name], *orphans] if name in lab.machines else orphans or [lab.machine(name)]


def known_machine(lab: Lab, spec: MachineSpec, run: Run) -> Machine:
    """
    Return one machine, to be inspected or stopped, not started.

    Args:
        lab: the machine's lab.
        spec: the machine's configuration, as `known_specs` returns it.
        run: the journal that the machine writes to.
    """
    return PROVIDERS[spec.provider](spec, _box_if_built(spec), lab, run)


def find_orphans(lab: Lab) -> list[MachineSpec]:
    """Return the machines in the lab's folder that lab.yaml does not name, or names with another provider."""
    present = [(file.parent.parent.name, "qemu") for file in lab.directory.glob("*/vmm/disk.qcow2")]
    present += [(file.stem, "vagrant") for file in lab.directory.glob("*.made")]
    named = {(spec.name, spec.provider) for spec in lab.machines.values()}
    return [
        MachineSpec.model_validate({"name": name, "provider": provider})
        for name, provider in sorted(present)
        if (name, provider) not in named
    ]


def _box_if_built(spec: MachineSpec) -> Box | None:
    """Return a machine's box, None if its recipe or roles cannot be read: the machine can still be stopped."""
    try:
        return box_of(spec, build=False)
    except IsolationError:
        return None


def _qemu(spec: MachineSpec, box: Box | None, lab: Lab, run: Run) -> Machine:
    from provisioner.machines.qemu.machine import QemuMachine

    return QemuMachine(spec, box, lab.directory / spec.name, run)


def _vagrant(spec: MachineSpec, box: Box | None, lab: Lab, run: Run) -> Machine:
    if spec.hypervisor != "libvirt":
        from provisioner.machines.vagrant.other_providers import OtherProviderMachine

        return OtherProviderMachine(spec, lab.directory, run)
    from provisioner.machines.vagrant.machine import VagrantMachine

    return VagrantMachine(spec, box, lab.directory, run)


PROVIDERS: dict[str, Callable[[MachineSpec, Box | None, Lab, Run], Machine]] = {"qemu": _qemu, "vagrant": _vagrant}
