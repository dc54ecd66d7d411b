"""Says how the machines of a lab are, from files and processes alone: no SSH, no machine is waited for.

In: a lab.  Out: one `Row` for each machine.  Called by `provisioner status`.  Changes nothing.
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
STRAY = "lab.yaml does not name it (any more), or with another provider: provisioner down --destroy {name}"


@dataclass(frozen=True)
class Row:
    """
    One machine.

    Attributes:
        machine: its name.
        provider: who runs it.
        box: what it boots.
        built: whether that box is there; None for one that only Vagrant knows.
        status: absent, halted, running, or unknown.
        snapshots: those that can be restored.
        roles: what lab.yaml wants on it.
        memory: MiB that it has; None where lab.yaml does not say.
        used: MiB that its hypervisor takes of this host's; None when it does not run.
        note: what is wrong, with its mend.
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
        """Return it as a table's cells."""
        return (
            self.machine,
            self.provider,
            self.box + (" (not built)" if self.built is False else ""),
            self.status,
            ", ".join(self.snapshots) or "-",
            ", ".join(self.roles) or "-",
            _describe_memory(self.memory, self.used),
        )


def read_overview(lab: Lab, names: Sequence[str] | None = None) -> list[Row]:
    """
    Look at machines.

    Args:
        lab: theirs.
        names: which; None for all, and for what lies in the lab's folder that lab.yaml does not name.

    Raises:
        IsolationError: there is no such machine.
    """
    chosen = names or dict.fromkeys([*lab.machines, *(spec.name for spec in find_orphans(lab))])
    with Run.start() as run:
        return [_look(lab, spec, run) for name in chosen for spec in known_specs(lab, name)]


def _look(lab: Lab, spec: MachineSpec, run: Run) -> Row:
    stray = lab.machines.get(spec.name) != spec
    status, snapshots, pid, note = "unknown", list[str](), None, STRAY.format(name=spec.name) if stray else ""
    try:
        machine = known_machine(lab, spec, run)
        pid = machine.vmm_pid()  # what runs is known from this; Vagrant would take a second to say so
        status = "running" if pid is not None else machine.status()
        snapshots = machine.snapshots()
    except IsolationError as error:
        note = str(error)
    return Row(
        machine=spec.name,
        provider=spec.provider,
        box="?" if stray else spec.box,
        built=None if stray else _is_built(spec),
        status=status,
        snapshots=snapshots,
        roles=spec.roles,
        memory=None if stray else spec.memory,
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
        found = RESIDENT.search(Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return None
    return int(found[1]) >> 10 if found else None
