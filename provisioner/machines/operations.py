"""What the command line does with one machine of a lab, each verb by itself.

In: a lab, a machine's name, a Run.  Out: what was found or done, as frozen objects.  Called by lab_cli.py, which prints
it.  Whoever changes a machine is exclusive with it; whoever only looks is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from provisioner.converge.apply import Applied, apply_plan
from provisioner.converge.plan import Plan, plan_changes
from provisioner.converge.role import load_roles
from provisioner.converge.state import read_present
from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.machines.find import find_machine
from provisioner.machines.lab import Lab
from provisioner.machines.prepare import boot_machine, brought_up, connect, freeze, ready_machine, snapshot_of
from provisioner.machines.snapshots import is_converged
from provisioner.machines.usage import exclusive

if TYPE_CHECKING:
    from provisioner.converge.verify import Checked


@dataclass(frozen=True)
class Up:
    """
    One machine after `up`.

    Attributes:
        machine: its name.
        state: "running", or "failed".
        how: ran, converged, restored or booted.
        seconds: that it took.
        address: where its SSH is reached from this host's network, or in the lab's.
        why: it failed.
    """

    machine: str
    state: str
    how: str = ""
    seconds: float = 0.0
    address: str = ""
    why: str = ""


@dataclass(frozen=True)
class Settled:
    """
    One machine after `apply`.

    Attributes:
        applied: what was changed.
        seconds: that it took, the look before it and the promises included.
        checked: its roles' promises; empty where nobody asked.
        frozen: the name of the snapshot that was made of it; "" where there was one already, or a promise is broken.
    """

    applied: Applied
    seconds: float = 0.0
    checked: tuple[Checked, ...] = ()
    frozen: str = ""


def bring_up(lab: Lab, name: str, run: Run, apply: bool = True) -> Up:
    """Have a machine run, converged or just booted; the lab keeps it. IsolationError as `ready_machine`."""
    started = time.monotonic()
    if apply:
        ready = ready_machine(lab, name, run, for_lab=True)
        ready.connection.close()
        machine, how = ready.machine, ready.how
    else:
        machine, how = boot_machine(lab, name, run)
    address = machine.ssh()
    return Up(name, "running", how, round(time.monotonic() - started, 1), f"{address.host}:{address.port}")


def plan_machine(lab: Lab, name: str, run: Run) -> Plan:
    """Return what would change on a running machine; changes nothing."""
    spec = lab.machine(name)
    roles = load_roles(spec.roles)
    connection = connect(find_machine(lab, name, run), name)
    try:
        return plan_changes(roles, spec.variables, read_present(connection, roles, spec.variables))
    finally:
        connection.close()


def apply_roles(lab: Lab, name: str, run: Run, verify: bool, show: Callable[[Plan], None]) -> Settled:
    """
    Bring a running machine to what its roles want, look after their promises, and freeze it where that is new.

    Args:
        lab: its lab.
        name: its name.
        run: of this command.
        verify: whether to look after the promises; a machine that breaks one is not frozen.
        show: given the plan before it is carried out.
    """
    started = time.monotonic()
    spec = lab.machine(name)
    roles = load_roles(spec.roles)
    with exclusive(lab, name, f"apply the roles of machine '{name}'"):
        machine = find_machine(lab, name, run)
        connection = connect(machine, name)
        try:
            plan = plan_changes(roles, spec.variables, read_present(connection, roles, spec.variables))
            show(plan)
            applied = apply_plan(connection, plan)
            checked: tuple[Checked, ...] = ()
            if verify:
                from provisioner.converge.verify import verify_roles

                checked = tuple(verify_roles(connection, roles))
            tag = snapshot_of(spec, roles)
            fresh = all(one.holds for one in checked) and tag not in machine.snapshots()
            if fresh:
                freeze(machine, connection, tag)
            return Settled(applied, round(time.monotonic() - started, 1), checked, tag if fresh else "")
        finally:
            connection.close()


def freeze_as(lab: Lab, name: str, run: Run, tag: str) -> None:
    """Freeze a running machine under a name of the user's."""
    if is_converged(tag):
        hint = "such names belong to what `up` and `apply` freeze; choose another"
        raise IsolationError(f"cannot name a snapshot '{tag}'", hint)
    with exclusive(lab, name, f"freeze machine '{name}'"):
        find_machine(lab, name, run).snapshot(tag)


def restore_to(lab: Lab, name: str, run: Run, tag: str | None) -> str:
    """Bring a machine back to a snapshot, None for the converged one, and return its name; the lab keeps it."""
    spec = lab.machine(name)
    wanted = snapshot_of(spec, load_roles(spec.roles)) if tag is None else tag
    with exclusive(lab, name, f"restore machine '{name}'"), brought_up(lab, name, run, for_lab=True):
        machine = find_machine(lab, name, run)
        if not machine.restore(wanted):
            has = f"it has: {', '.join(machine.snapshots()) or 'none'}"
            raise IsolationError(
                f"cannot restore machine '{name}': it has no snapshot '{wanted}'",
                hint=f"{has}; the converged one is made by: provisioner up {name}",
            )
    return wanted
