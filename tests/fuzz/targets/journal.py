"""The journal of a run: nothing is undone here."""

from __future__ import annotations

import io
import json

from fuzz.inputs import Sample, render_lines
from fuzz.targets import Target
from provisioner.journal.entry import UndoEntry
from provisioner.journal.read import read_journal
from provisioner.paths import run_dir

OWNER = {"owner": 4242, "start": 77, "boot": "11111111-1111-4111-8111-111111111111"}


def samples() -> tuple[Sample, ...]:
    entries = (
        {"made": 1, "kind": "path", "values": [str(run_dir() / "x")]},
        {"made": 2, "kind": "command", "values": ["docker", "rm", "-f", "x"], "env": {"DOCKER_HOST": "unix:///x"}},
        {"made": 3, "kind": "process", "values": ["4243"], "start": 78, "boot": OWNER["boot"]},
        {"made": 4, "kind": "verb", "values": ["stop-machine", "/lab.yaml", "debian12"]},
        {"made": 5, "kind": "shm", "values": ["123"]},
        {"made": 6, "kind": "command", "values": ["python3", "-m", "provisioner.machines.stop", "/lab.yaml", "x"]},
        {"made": 7, "kind": "netns", "values": ["iso-x"]},
        {"gone": 4},
    )
    return (Sample("journal", [OWNER, *entries], render=render_lines),)


def read(data: bytes) -> None:
    """Read it; what is taken is written and read again as it is."""
    contents = read_journal(io.BytesIO(data))
    for entry in contents.entries:
        entry.outlives_boot()
        assert UndoEntry.load(json.loads(json.dumps(entry.dump()))) == entry
    for damage in filter(None, [contents.damage]):
        assert damage.why.isprintable(), repr(damage.why)


TARGETS = (Target("journal", samples, read),)
