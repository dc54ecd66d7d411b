"""Finds the machine that lab.yaml speaks of, with its box and its provider.

In: a lab, a machine's name, a Run.  Out: a `Machine`.  Called by the command line, ready.py and the journal's undo.
A provider is a module of this folder; its own modules are imported only when a machine of it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from provisioner.converge.role import load_roles
from provisioner.errors import IsolationError
from provisioner.lab import Lab, MachineSpec
from provisioner.machines.box import Box, build_box, find_box
from provisioner.machines.recipe import recipe_names

if TYPE_CHECKING:
    from provisioner.journal import Run
    from provisioner.machines.protocol import Machine


def baked_packages(spec: MachineSpec) -> list[str]:
    """Return the packages of the roles that are baked into a machine's box, in order, each once."""
    packages = [name for role in load_roles(spec.bake) for name in role.resources.get("package", ())]
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


def _qemu(spec: MachineSpec, box: Box | None, lab: Lab, run: Run) -> Machine:
    from provisioner.machines.qemu import QemuMachine

    if box is None:
        raise IsolationError(
            f"cannot start machine '{spec.name}': only Vagrant knows a box '{spec.box}'",
            hint=f"`provider: vagrant` in lab.yaml, or one of our own boxes: {', '.join(recipe_names())}",
        )
    return QemuMachine(spec, box, lab.directory / spec.name, run)


def _vagrant(spec: MachineSpec, box: Box | None, lab: Lab, run: Run) -> Machine:
    from provisioner.machines.vagrant import VagrantMachine

    return VagrantMachine(spec, box, lab.directory, run)


PROVIDERS: dict[str, Callable[[MachineSpec, Box | None, Lab, Run], Machine]] = {"qemu": _qemu, "vagrant": _vagrant}
