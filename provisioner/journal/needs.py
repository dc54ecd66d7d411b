"""Says which entries of dead runs a program must undo before it starts, and which can wait.

In: the programs that it uses.  Out: yes or no for an entry.  Pure.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from provisioner.journal.entry import UndoEntry

MACHINE_VERBS = ("stop-machine", "reset-libvirt-machine", "reset-vagrant-machine", "run-over-ssh")


@dataclass(frozen=True)
class Needs:
    """
    What a program is about to use, so that what dead runs left of it is undone first.

    Args:
        programs: the names of the programs that delete its sandboxes and images.
        machines: whether it uses machines.
    """

    programs: frozenset[str] = frozenset()
    machines: bool = False

    def waits(self, entry: UndoEntry) -> bool:
        """Tell whether undoing an entry can wait: it asks another program or a machine, which may hang."""
        if entry.kind == "command":
            return not any(os.path.basename(word) in self.programs for word in entry.values)
        return entry.kind == "verb" and entry.values[0] in MACHINE_VERBS and not self.machines

    def is_first(self, entry: UndoEntry) -> bool:
        """Tell whether an entry is undone before the commands that wait; files, cgroups and namespaces go after."""
        return entry.kind == "process" or (entry.kind in ("command", "verb") and not self.waits(entry))


NOTHING, MACHINES = Needs(), Needs(machines=True)
