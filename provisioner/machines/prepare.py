"""Gets a machine ready for sandboxes: running, converged, and with a snapshot of that state for the next time.

In: a lab, a machine's name, a Run.  Out: a `ReadyMachine`.  The snapshot's name is a hash of box, roles and variables,
so a restored machine equals a converged one.  A machine whose start fails or is interrupted is stopped again; after
SIGKILL the next prune stops it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from provisioner.connection.ssh import SshConnection
from provisioner.converge.apply import converge
from provisioner.converge.role import Role, load_roles, roles_hash
from provisioner.errors import IsolationError
from provisioner.interrupt.program import undoing
from provisioner.journal.entry import UndoEntry
from provisioner.journal.needs import MACHINES
from provisioner.journal.prune import prune
from provisioner.journal.run import Run
from provisioner.machines.find import box_of, find_machine, known_machines
from provisioner.machines.lab import Lab, MachineSpec
from provisioner.machines.protocol import Machine
from provisioner.machines.snapshots import is_converged, snapshot_name
from provisioner.machines.usage import exclusive, in_use, keep, release, stop_unneeded, stop_unneeded_locked
from provisioner.progress import step

How = Literal["ran", "converged", "restored", "booted"]


@dataclass(frozen=True)
class ReadyMachine:
    """
    A machine that runs and is converged.

    Attributes:
        machine: the provider's machine.
        connection: an SSH connection to it; it opens on first use.
        snapshot: the name of the snapshot of this state.
        how: "ran" (and was converged already), "converged" (while it ran), "restored" (from the snapshot), or "booted"
            (and converged).
    """

    machine: Machine
    connection: SshConnection
    snapshot: str
    how: How


def prepare_machine(lab: Lab, name: str, run: Run, for_lab: bool = False) -> ReadyMachine:
    """
    Start and converge a machine, and save a snapshot of it if there is none.

    Args:
        lab: the machine's lab.
        name: the machine's name in lab.yaml.
        run: the journal that stops the machine if this function does not end.
        for_lab: whether the lab keeps the machine; otherwise the caller stops it, with `stop_after_use`.

    Raises:
        IsolationError: the box cannot be built, or the machine does not start or converge.
    """
    spec = lab.machine(name)
    roles = load_roles(spec.roles)
    with exclusive(lab, name, f"prepare machine '{name}'"), stop_on_failure(lab, name, run, for_lab):
        machine = find_machine(lab, name, run, build=True)
        snapshot = converged_snapshot(spec, roles)
        how = start_machine(machine, snapshot)
        connection = connect(machine, name)
        try:
            if how != "restored" and converge(connection, roles, spec.variables).changed and how == "ran":
                how = "converged"
            if how == "booted" or snapshot not in machine.snapshots():
                save_converged(machine, connection, snapshot)
        except BaseException:
            connection.close()
            raise
    return ReadyMachine(machine, connection, snapshot, how)


def boot_machine(lab: Lab, name: str, run: Run) -> tuple[Machine, How]:
    """
    Start a machine from its disk, neither restored nor converged; the lab keeps it.

    Args:
        lab: the machine's lab.
        name: the machine's name.
        run: the journal of this command.

    Raises:
        IsolationError: the box cannot be built, or the machine does not start.
    """
    with exclusive(lab, name, f"boot machine '{name}'"), stop_on_failure(lab, name, run, for_lab=True):
        machine = find_machine(lab, name, run, build=True)
        return machine, start_machine(machine, None)


def start_machine(machine: Machine, snapshot: str | None) -> How:
    """
    Start a machine that does not run: from a snapshot if it has that one, else from its disk.

    A snapshot that cannot be restored is ignored: the machine boots and is converged again.
    """
    before = machine.vmm_pid() if machine.status() == "running" else None
    if before is None and snapshot is not None:
        with contextlib.suppress(IsolationError):  # a snapshot that cannot be restored: boot instead
            if machine.restore(snapshot):
                return "restored"
    machine.up()
    return "ran" if before is not None and machine.vmm_pid() == before else "booted"


def converged_snapshot(spec: MachineSpec, roles: tuple[Role, ...]) -> str:
    """Return the name of the snapshot of a machine that is converged to these roles."""
    box = box_of(spec, build=False)
    return snapshot_name(box.hash if box else spec.box, roles_hash(roles, spec.variables), "")


def save_converged(machine: Machine, connection: SshConnection, snapshot: str) -> None:
    """
    Save the snapshot of a converged machine, and delete its older converged snapshots: each holds memory and disk.

    The connection is closed first: its other end would hang in every restored guest.

    Args:
        machine: the machine; it runs.
        connection: the connection to close.
        snapshot: the snapshot's name.
    """
    connection.close()
    machine.snapshot(snapshot)
    for older in machine.snapshots():
        if is_converged(older) and older != snapshot:
            machine.delete_snapshot(older)


def connect(machine: Machine, name: str) -> SshConnection:
    """Return a connection to a running machine; it opens on first use."""
    return SshConnection(machine.ssh(), name)


@contextlib.contextmanager
def stop_after_use(lab: Lab, name: str, run: Run) -> Iterator[None]:
    """
    Use a machine during a `with` block, and stop it afterwards if nobody else needs it.

    If this process is killed, the next prune stops the machine.

    Args:
        lab: the machine's lab.
        name: the machine's name.
        run: the journal that records that the machine is to be stopped.
    """
    record = _record_stop(lab, name, run)
    with contextlib.ExitStack() as last:
        last.callback(_stop_unneeded, lab, name, run, record)
        last.enter_context(in_use(lab, name))
        yield


def _stop_unneeded(lab: Lab, name: str, run: Run, record: UndoEntry) -> None:
    with undoing(), contextlib.suppress(IsolationError):  # the entry stays in the journal, and the run's end reports it
        stop_unneeded(lab, name, run)
        run.gone(record)


@contextlib.contextmanager
def stop_on_failure(lab: Lab, name: str, run: Run, for_lab: bool) -> Iterator[None]:
    """
    Stop a machine if a `with` block that starts it fails; the caller holds the machine's lock.

    If this process is killed, the next prune stops the machine.

    Args:
        lab: the machine's lab.
        name: the machine's name.
        run: the journal that records that the machine is to be stopped.
        for_lab: whether the lab keeps the machine if the block succeeds.
    """
    # now, because a later prune would undo what a killed process was starting here, and stop this machine
    prune(needs=MACHINES)
    if all(machine.vmm_pid() is None for machine in known_machines(lab, name, run)):
        release(lab, name)  # it ended without `provisioner down`
    record = _record_stop(lab, name, run)
    try:
        yield
    except BaseException:
        # the error that ends the block matters more; the entry stays in the journal
        with undoing(), step(f"stop machine '{name}' again"), contextlib.suppress(IsolationError):
            stop_unneeded_locked(lab, name, run)
            run.gone(record)
        raise
    if for_lab:
        keep(lab, name)
    run.gone(record)


def _record_stop(lab: Lab, name: str, run: Run) -> UndoEntry:
    return run.made("verb", ["stop-machine", str(lab.path), name])
