"""Names the things of a journal, for the lines of an interrupted program.

In: entries.  Out: kinds and names, as ("sandbox", "iso-1f-1").
"""

from __future__ import annotations

from pathlib import Path

from provisioner.interrupt.lines import Thing
from provisioner.journal.entry import UndoEntry

SANDBOX = "iso-"
KINDS = {"command": "sandbox", "netns": "network namespace", "path": "folder"}
VERBS = {
    "end-process": "process",
    "stop-machine": "machine",
    "reset-libvirt-machine": "machine",
    "reset-vagrant-machine": "machine",
    "delete-canaries": "canary",
}


def name_thing(entry: UndoEntry) -> Thing:
    """Return the kind and the name of what an entry undoes."""
    values = entry.values
    kind = VERBS.get(values[0], "sandbox") if entry.kind == "verb" else KINDS.get(entry.kind, entry.kind)
    match kind:
        case "machine":
            return kind, values[2]
        case "sandbox":  # a command that deletes it: its name is one of the arguments
            return kind, next((value for value in values if value.startswith(SANDBOX)), values[-1])
        case "canary":
            return kind, values[-1] if values[-1] != "-" else values[1]
    path = Path(values[-1])
    return kind, path.name or values[-1]
