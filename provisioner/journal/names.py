"""Names the things of a journal, for the lines of an interrupted program.

In: entries.  Out: kinds and names, as ("sandbox", "isolation-0f3a66c1-1").
"""

from __future__ import annotations

import re
from pathlib import Path

from provisioner.interrupt.lines import Thing
from provisioner.journal.entry import UndoEntry

SANDBOX = re.compile(r"isolation-[0-9a-f]{8}-\d{1,5}(?![0-9a-f])")  # its own name; a canary's token is longer
IMAGE = re.compile(r"localhost/isolation-.+")
KINDS = {"command": "sandbox", "netns": "network namespace", "path": "folder"}
VERBS = {
    "end-process": "process",
    "stop-machine": "machine",
    "reset-libvirt-machine": "machine",
    "reset-vagrant-machine": "machine",
    "delete-canaries": "canary",
}


def name_thing(entry: UndoEntry) -> Thing:
    """Return the kind and the name of what an entry undoes; a sandbox's cgroups and folders have its name."""
    values = entry.values
    if found := next(filter(None, map(SANDBOX.search, values)), None):
        return "sandbox", found[0]
    if found := next(filter(None, map(IMAGE.fullmatch, values)), None):
        return "image", found[0]
    kind = VERBS.get(values[0], "sandbox") if entry.kind == "verb" else KINDS.get(entry.kind, entry.kind)
    if kind == "machine":
        return kind, values[2]
    if kind == "canary":
        return kind, values[-1] if values[-1] != "-" else values[1]
    path = Path(values[-1])
    return kind, path.name or values[-1]
