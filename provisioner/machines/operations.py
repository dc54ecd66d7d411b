"""What the commands of `provisioner` do with one machine of a lab: up, plan, apply, snapshot, restore.

In: a lab, a machine's name, a Run.  Out: results as frozen objects; the command line prints them.  Functions that
change a machine hold its lock; functions that only read do not.
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
from provisioner.machines.prepare import (
    boot_machine,
    connect,
    converged_snapshot,
    prepare_machine,
    save_converged,
    stop_on_failure,
)
from provisioner.machines.snapshots import is_converged
from provisioner.machines.usage import exclusive

if TYPE_CHECKING:
    from provisioner.converge.verify import Checked


@dataclass(frozen=True)
class UpResult:
    """
    What `up` did with one machine.

    Attributes:
        machine: the machine's name.
        state: "running" or "failed".
        how: ran, converged, restored or booted.
        seconds: how long it took.
        address: HOST:PORT of its SSH server, as seen from the host's or the lab's network.
        why: the error; "" if it runs.
    """

    machine: str
    state: str
    how: str = ""
    seconds: float = 0.0
    address: str = ""
    why: str = ""


@dataclass(frozen=True)
class ApplyResult:
    """
    What `apply` did with one machine.

    Attributes:
        applied: the changes.
        seconds: how long it took, with reading the present state and verifying the promises.
        checked: the roles' promises; empty if they were not verified.
        snapshot: the name of the snapshot that was saved; "" if there was one already, or a promise is broken.
    """

    applied: Applied
    seconds: float = 0.0
    checked: tuple[Checked, ...] = ()
    snapshot: str = ""


def bring_up(lab: Lab, name: str, run: Run, apply: bool = True) -> UpResult:
    """
    Start a machine; the lab keeps it.

    Args:
        lab: the machine's lab.
        name: the machine's name.
        run: the journal of this command.
        apply: whether to converge it; False boots its disk.

    Raises:
        IsolationError: as `prepare_machine`.
    """
    started = time.monotonic()
    if apply:
        ready = prepare_machine(lab, name, run, for_lab=True)
        ready.connection.close()
        machine, how = ready.machine, ready.how
    else:
        machine, how = boot_machine(lab, name, run)
    address = machine.ssh()
    return UpResult(name, "running", how, round(time.monotonic() - started, 1), f"{address.host}:{address.port}")


def plan_machine(lab: Lab, name: str, run: Run) -> Plan:
    """
    Return what `apply` would change on a running machine; changes nothing.

    Args:
        lab: the machine's lab.
        name: the machine's name.
        run: the journal of this command.

    Raises:
        IsolationError: the machine does not run, or its state cannot be read.
    """
    spec = lab.machine(name)
    roles = load_roles(spec.roles)
    connection = connect(find_machine(lab, name, run), name)
    try:
        return plan_changes(roles, spec.variables, read_present(connection, roles, spec.variables))
    finally:
        connection.close()


def apply_roles(lab: Lab, name: str, run: Run, verify: bool, show: Callable[[Plan], None]) -> ApplyResult:
    """
    Converge a running machine, verify its roles' promises, and save a snapshot of it if there is none.

    Args:
        lab: the machine's lab.
        name: the machine's name.
        run: the journal of this command.
        verify: whether to verify the promises; no snapshot is saved of a machine that breaks one.
        show: called with the plan before it is carried out.

    Raises:
        IsolationError: the machine does not run, or a change fails.
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
            snapshot = converged_snapshot(spec, roles)
            is_new = all(one.holds for one in checked) and snapshot not in machine.snapshots()
            if is_new:
                save_converged(machine, connection, snapshot)
            return ApplyResult(applied, round(time.monotonic() - started, 1), checked, snapshot if is_new else "")
        finally:
            connection.close()


def save_snapshot(lab: Lab, name: str, run: Run, snapshot: str) -> None:
    """
    Save a snapshot of a running machine under the user's name for it.

    Args:
        lab: the machine's lab.
        name: the machine's name.
        run: the journal of this command.
        snapshot: the snapshot's name.

    Raises:
        IsolationError: the machine does not run, or the name is invalid or reserved.
    """
    if is_converged(snapshot):
        hint = "such names are reserved for the snapshots of `up` and `apply`; choose another"
        raise IsolationError(f"cannot name a snapshot '{snapshot}'", hint)
    with exclusive(lab, name, f"snapshot machine '{name}'"):
        find_machine(lab, name, run).snapshot(snapshot)


def restore_snapshot(lab: Lab, name: str, run: Run, snapshot: str | None) -> str:
    """
    Restore a snapshot of a machine; the lab keeps the machine.

    Args:
        lab: the machine's lab.
        name: the machine's name.
        run: the journal of this command.
        snapshot: the snapshot's name; None for the converged one.

    Returns:
        The snapshot's name.

    Raises:
        IsolationError: there is no such snapshot, or it cannot be restored.
    """
    spec = lab.machine(name)
    wanted = converged_snapshot(spec, load_roles(spec.roles)) if snapshot is None else snapshot
    with exclusive(lab, name, f"restore machine '{name}'"), stop_on_failure(lab, name, run, for_lab=True):
        machine = find_machine(lab, name, run)
        if not machine.restore(wanted):
            has = f"it has: {', '.join(machine.snapshots()) or 'none'}"
            raise IsolationError(
                f"cannot restore machine '{name}': it has no snapshot '{wanted}'",
                hint=f"{has}; provisioner up {name} saves the converged one",
            )
    return wanted
