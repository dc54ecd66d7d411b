"""Gets a machine ready for sandboxes: running, converged, and frozen in that state for the next time.

In: a lab, a machine's name, a Run.  Out: a `Ready`.  Called by the command line and by pytest_isolation's hosts.
A snapshot's name is the hash of box, roles and variables, so that what is restored is what would be converged.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from provisioner.converge.apply import converge
from provisioner.converge.role import Role, load_roles, roles_hash
from provisioner.errors import IsolationError
from provisioner.journal import Run
from provisioner.lab import Lab, MachineSpec
from provisioner.machines.lookup import box_of, find_machine
from provisioner.machines.protocol import Machine
from provisioner.machines.snapshot import snapshot_name
from provisioner.ssh import SshConnection
from provisioner.undo import import_path

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


def ready_machine(lab: Lab, name: str, run: Run) -> Ready:
    """
    Have a machine run, converged.

    Args:
        lab: its lab.
        name: its name in lab.yaml.
        run: whose journal stops it again, from before it is started, unless `keep` hands it over.

    Raises:
        IsolationError: its box cannot be built, it does not start, or does not converge.
    """
    spec = lab.machine(name)
    roles = load_roles(spec.roles)
    machine = find_machine(lab, name, run, build=True)
    tag = snapshot_of(spec, roles)
    how: How = "ran" if machine.status() == "running" else "restored" if machine.restore(tag) else "booted"
    if how == "booted":
        machine.up()
    connection = connect(machine, name)
    try:
        if how != "restored" and converge(connection, roles, spec.variables).changed and how == "ran":
            how = "converged"
        if tag not in machine.snapshots():
            freeze(machine, connection, tag)
    except BaseException:
        connection.close()
        raise
    return Ready(machine, connection, tag, how)


def snapshot_of(spec: MachineSpec, roles: tuple[Role, ...]) -> str:
    """Return the name of the snapshot that holds a machine as its roles want it."""
    box = box_of(spec, build=False)
    return snapshot_name(box.hash if box else spec.box, roles_hash(roles, spec.variables), "")


def freeze(machine: Machine, connection: SshConnection, tag: str) -> None:
    """Freeze a machine without our connection in it: the other end of one would hang in every restored guest."""
    connection.close()
    machine.snapshot(tag)


def connect(machine: Machine, name: str) -> SshConnection:
    """Return a connection to a running machine; it opens on first use."""
    return SshConnection(machine.ssh(), name)


@contextlib.contextmanager
def stopped_at_the_end(lab: Lab, name: str, run: Run) -> Iterator[None]:
    """
    Let a machine that does not run yet be stopped after a `with` block, or by a prune after a SIGKILL.

    One that runs already is somebody's, and goes on.
    """
    try:
        running = find_machine(lab, name, run).status() == "running"
    except IsolationError:
        running = False  # its box is not built yet
    if running:
        yield
        return
    undo = [sys.executable, "-m", "provisioner.machines.stop", str(lab.path), name]
    record = run.made("command", undo, import_path())
    try:
        yield
    finally:
        with contextlib.suppress(IsolationError):  # then the journal says why
            find_machine(lab, name, run).down()
            run.gone(record)
