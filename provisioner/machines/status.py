"""Reads the status of a lab's machines from files and processes only: without SSH, and without waiting for a machine.

In: a lab.  Out: one `MachineStatus` for each machine.  Changes nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.journal.run import Run
from provisioner.machines.box.recipe import recipe_names
from provisioner.machines.find import box_of, find_orphans, known_machine, known_specs
from provisioner.machines.lab import Lab, MachineSpec

RESIDENT = re.compile(r"^VmRSS:\s+(\d+) kB", re.MULTILINE)  # proc(5)
ORPHAN = "lab.yaml does not name it with this provider; delete it: provisioner down --destroy {name}"


@dataclass(frozen=True)
class MachineStatus:
    """
    The status of one machine.

    Attributes:
        machine: the machine's name.
        provider: its provider.
        box: the box that it boots; "?" for an orphan.
        built: whether the box is built; None for a box that Vagrant knows.
        status: absent, halted, running, or unknown.
        snapshots: the snapshots that can be restored.
        roles: its roles in lab.yaml.
        memory: the guest's memory in MiB; None for an orphan.
        used: the hypervisor's resident memory on this host in MiB; None if it does not run.
        note: an error or a remark; "" if there is none.
    """

    machine: str
    provider: str
    box: str
    built: bool | None
    status: str
    snapshots: list[str]
    roles: list[str]
    memory: int | None
    used: int | None
    note: str = ""

    def cells(self) -> tuple[str, ...]:
        """Return the cells of its table row."""
        return (
            self.machine,
            self.provider,
            self.box + (" (not built)" if self.built is False else ""),
            self.status,
            ", ".join(self.snapshots) or "-",
            ", ".join(self.roles) or "-",
            _describe_memory(self.memory, self.used),
        )


def read_status(lab: Lab, names: Sequence[str] | None = None) -> list[MachineStatus]:
    """
    Return the status of machines.

    Args:
        lab: the machines' lab.
        names: the machines' names; None for all, orphans included.

    Raises:
        IsolationError: there is no such machine.
    """
    chosen = names or dict.fromkeys([*lab.machines, *(spec.name for spec in find_orphans(lab))])
    with Run.start() as run:
        return [_read(lab, spec, run) for name in chosen for spec in known_specs(lab, name)]


def _read(lab: Lab, spec: MachineSpec, run: Run) -> MachineStatus:
    orphan = lab.machines.get(spec.name) != spec
    status, snapshots, pid, note = "unknown", list[str](), None, ORPHAN.format(name=spec.name) if orphan else ""
    try:
        machine = known_machine(lab, spec, run)
        pid = machine.vmm_pid()  # enough to know that it runs; asking Vagrant takes a second
        status = "running" if pid is not None else machine.status()
        snapshots = machine.snapshots()
    except IsolationError as error:
        note = str(error)
    return MachineStatus(
        machine=spec.name,
        provider=spec.provider,
        box="?" if orphan else spec.box,
        built=None if orphan else _is_built(spec),
        status=status,
        snapshots=snapshots,
        roles=spec.roles,
        memory=None if orphan else spec.memory,
        used=_resident(pid) if pid is not None else None,
        note=note,
    )


def _is_built(spec: MachineSpec) -> bool | None:
    if spec.box not in recipe_names():
        return None
    try:
        return box_of(spec, build=False) is not None
    except IsolationError:
        return False


def _describe_memory(memory: int | None, used: int | None) -> str:
    parts = [] if memory is None else [f"{memory} MiB"]
    return ", ".join(parts if used is None else [*parts, f"{used} in use"]) or "-"


def _resident(pid: int) -> int | None:
    try:
        resident = RESIDENT.search(Path(f"/proc/{pid}/status").read_text(encoding="utf-8"))
    except OSError:
        return None
    return int(resident[1]) >> 10 if resident else None
