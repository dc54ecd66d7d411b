"""Gets a machine ready for sandboxes: running, converged, and frozen in that state for the next time.

In: a lab, a machine's name, a Run.  Out: a `Ready`.  Called by the command line and by pytest_isolation's hosts.
A snapshot's name is the hash of box, roles and variables, so that what is restored is what would be converged.  What
fails or is interrupted on the way is stopped again, by a prune after a SIGKILL; see kept.py for who needs a machine.
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
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run, prune
from provisioner.machines.find import box_of, find_machine, known_machines
from provisioner.machines.lab import Lab, MachineSpec
from provisioner.machines.protocol import Machine
from provisioner.machines.snapshots import is_converged, snapshot_name
from provisioner.machines.usage import exclusive, in_use, keep, release, stop_alone, stop_unneeded
from provisioner.progress import step

How = Literal["ran", "converged", "restored", "booted"]


@dataclass(frozen=True)
class Ready:
    """
    A machine that runs as its roles want it.

    Attributes:
        machine: it.
        connection: to it.
        snapshot: the name of the snapshot that holds this state.
        how: whether it ran so already, was changed while it ran, was restored, or was booted and converged.
    """

    machine: Machine
    connection: SshConnection
    snapshot: str
    how: How


def ready_machine(lab: Lab, name: str, run: Run, for_lab: bool = False) -> Ready:
    """
    Have a machine run, converged.

    Args:
        lab: its lab.
        name: its name in lab.yaml.
        run: whose journal stops it again, from before it is started, when this does not come to its end.
        for_lab: whether the lab keeps it from then on; else it is the caller's to stop: `stopped_at_the_end`.

    Raises:
        IsolationError: its box cannot be built, it does not start, or does not converge.
    """
    spec = lab.machine(name)
    roles = load_roles(spec.roles)
    with exclusive(lab, name, f"get machine '{name}' ready"), brought_up(lab, name, run, for_lab):
        machine = find_machine(lab, name, run, build=True)
        tag = snapshot_of(spec, roles)
        how = start(machine, tag)
        connection = connect(machine, name)
        try:
            if how != "restored" and converge(connection, roles, spec.variables).changed and how == "ran":
                how = "converged"
            if how == "booted" or tag not in machine.snapshots():
                freeze(machine, connection, tag)
        except BaseException:
            connection.close()
            raise
    return Ready(machine, connection, tag, how)


def boot_machine(lab: Lab, name: str, run: Run) -> tuple[Machine, How]:
    """Have a machine run for the lab, from its disk, without a look at its roles; as `ready_machine`."""
    with exclusive(lab, name, f"boot machine '{name}'"), brought_up(lab, name, run, for_lab=True):
        machine = find_machine(lab, name, run, build=True)
        return machine, start(machine, None)


def start(machine: Machine, tag: str | None) -> How:
    """
    Have a machine run: as it runs, from a snapshot where there is one, or from its disk.

    A snapshot that cannot be restored is as good as none: what it held is converged anew.
    """
    before = machine.vmm_pid() if machine.status() == "running" else None
    if before is None and tag is not None:
        with contextlib.suppress(IsolationError):
            if machine.restore(tag):
                return "restored"
    machine.up()
    return "ran" if before is not None and machine.vmm_pid() == before else "booted"


def snapshot_of(spec: MachineSpec, roles: tuple[Role, ...]) -> str:
    """Return the name of the snapshot that holds a machine as its roles want it."""
    box = box_of(spec, build=False)
    return snapshot_name(box.hash if box else spec.box, roles_hash(roles, spec.variables), "")


def freeze(machine: Machine, connection: SshConnection, tag: str) -> None:
    """
    Freeze a machine without our connection in it: the other end of one would hang in every restored guest.

    Of the converged ones only this is kept: each holds the machine's memory and what its disk was.
    """
    connection.close()
    machine.snapshot(tag)
    for older in machine.snapshots():
        if is_converged(older) and older != tag:
            machine.delete_snapshot(older)


def connect(machine: Machine, name: str) -> SshConnection:
    """Return a connection to a running machine; it opens on first use."""
    return SshConnection(machine.ssh(), name)


@contextlib.contextmanager
def stopped_at_the_end(lab: Lab, name: str, run: Run) -> Iterator[None]:
    """
    Use a machine during a `with` block, and stop it after it, or by a prune after a SIGKILL.

    One that the lab keeps goes on, and one that another session still uses is that one's to stop.
    """
    record = _record_stop(lab, name, run)
    with contextlib.ExitStack() as last:
        last.callback(_stop_at_last, lab, name, run, record)
        last.enter_context(in_use(lab, name))
        yield


def _stop_at_last(lab: Lab, name: str, run: Run, record: UndoEntry) -> None:
    with contextlib.suppress(IsolationError):  # then the journal says why
        stop_unneeded(lab, name, run)
        run.gone(record)


@contextlib.contextmanager
def brought_up(lab: Lab, name: str, run: Run, for_lab: bool) -> Iterator[None]:
    """
    Stop what a `with` block has started when it fails, by a prune after a SIGKILL; for one who is exclusive with it.

    Args:
        lab: its lab.
        name: its name.
        run: whose journal knows that it is to be stopped.
        for_lab: whether the lab keeps it when the block ends well.
    """
    prune()  # what a killed one was starting here would be undone later, when it is ours
    if all(machine.vmm_pid() is None for machine in known_machines(lab, name, run)):
        release(lab, name)  # it was stopped by something else than us
    record = _record_stop(lab, name, run)
    try:
        yield
    except BaseException:
        with step(f"stop machine '{name}' again"), contextlib.suppress(IsolationError):
            stop_alone(lab, name, run)
            run.gone(record)
        raise
    if for_lab:
        keep(lab, name)
    run.gone(record)


def _record_stop(lab: Lab, name: str, run: Run) -> UndoEntry:
    return run.made("verb", ["stop-machine", str(lab.path), name])
