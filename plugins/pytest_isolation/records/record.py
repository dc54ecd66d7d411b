"""All that was observed of one target, as one archived document.

In: facts, loads and reaches of a target.  Out: a frozen `Record`, its JSON (facts/<sha256>.json), and back.
pool.py fills it, view.py shows it to checks, judge.py reads it again later.  Judges nothing.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from provisioner.errors import IsolationError
from provisioner.facts.document import Facts
from provisioner.facts.image import ImageSeen
from provisioner.facts.reach import Reaches
from provisioner.files.atomic import write_whole
from provisioner.limits.document import Loads
from provisioner.observed import Fact, FactsError, Items, Observed, Text, check_json, first_fault, since_schema
from provisioner.runtimes.settings import SettingSeen
from provisioner.sandboxes.shared_file import SharedFile
from pytest_isolation.policy.conditions import Conditions

ATTACHED = "attached: it is somebody else's, and nothing is started in it or beside it"
MAX_RECORD_BYTES = 16 << 20
_WIDE = re.compile("[^\x00-\x7e]")


class TargetInfo(Observed):
    """
    What a check and a report may know of a target.

    `kind` is "container" or "vm"; `boundary` is "process", "sentry", "vmm" or "none" (`self`).  `capabilities` is the
    runtime's documented default bounding set, None where none is documented; `devices` are the ids of those that it
    declares its VMs to have (facts_platform.BusDevice), None where it declares none.  `cannot` says why something
    cannot be asked of this runtime, by name: "exec", "limits.pids", "network.private" …  `conditions` are what
    expected.yaml's `when` is compared with.  `settings` are
    the engine's own, None where it has none.  `attached`: somebody else made it and runs it, so that the subject is no
    probe.
    """

    id: Text
    kind: Literal["container", "vm"]
    class_: Text = Field(alias="class")
    runtime: Text
    host: Text
    boundary: Text
    versions: dict[str, str]
    capabilities: list[Text] | None
    cannot: dict[str, str]
    conditions: Conditions
    attached: bool = False
    devices: Fact[list[Text] | None] = since_schema()
    settings: Fact[list[SettingSeen] | None] = since_schema()


class Record(Observed):
    """
    Everything seen of one target.

    `host` is the host's own view of itself; `inside` and `outside` are the two views of the sandbox (`outside` is
    None for a VM, whose process seen from the host is `vmm`); `exec_` is what a process started by the runtime's own
    exec saw; the peer is a second sandbox made in the same way.  `survivors` outlived the first process of one that
    was ended, `residue` are the traces of it after its runtime's delete.  `image` is what its image showed before
    anything was started from it, None where none is made for the target.  `shared_file` is one that the ended one made
    in a folder of the host, None where none can be shared.
    """

    schema_: Literal[1] = Field(alias="schema")
    run: Text
    target: TargetInfo
    host: Fact[Facts]
    inside: Fact[Facts]
    outside: Fact[Facts | None]
    vmm: Fact[Facts | None]
    exec_: Fact[Facts] = Field(alias="exec")
    peer_inside: Fact[Facts]
    peer_outside: Fact[Facts | None]
    loads: Loads
    reaches: Reaches
    residue: Fact[Items[Text]] = since_schema()
    survivors: Fact[Items[Text]] = since_schema()
    image: Fact[ImageSeen | None] = since_schema()
    shared_file: Fact[SharedFile | None] = since_schema()


def dump_record(record: Record) -> bytes:
    """
    Return the record as JSON with sorted, stable bytes: equal records have equal names in the archive.

    In ASCII alone: what a sandbox chose may reorder the text of whoever looks at the file.
    """
    return _WIDE.sub(_spell, record.model_dump_json(by_alias=True)).encode()


def _spell(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def save_record(record: Record, directory: Path) -> Path:
    """Write the record to DIRECTORY/<sha256>.json and return that path; an existing one is the same by its name."""
    data = dump_record(record)
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{hashlib.sha256(data).hexdigest()}.json"
    write_whole(path, data)
    return path


def load_record(path: Path) -> Record:
    """
    Read an archived record.

    Raises:
        IsolationError: the file cannot be read, or is not a record.
    """
    try:
        with path.open("rb") as file:
            data = file.read(MAX_RECORD_BYTES + 1)
    except OSError as error:
        raise IsolationError(f"cannot read '{path}': {error.strerror}") from None
    return parse_record(data, str(path))


def parse_record(data: bytes, name: str) -> Record:
    """Turn archived bytes into a Record; strict, as facts are.  Raises IsolationError naming `name`."""
    try:
        check_json(data, f"record '{name}'", MAX_RECORD_BYTES)
        return Record.model_validate_json(data)
    except FactsError:
        raise
    except ValidationError as error:
        raise IsolationError(
            f"cannot read '{name}': {first_fault(error)}",
            hint="it is not a record of this version: run the suite again with --isolation-report=DIR",
        ) from None
