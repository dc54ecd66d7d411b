"""All that was observed of one target, as one archived document.

In: facts, loads and reaches of a target.
Out: a frozen `Record`, and its JSON (facts/<target>-<hash>.json).  read.py reads it again.
"""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Literal

from pydantic import Field

from provisioner.facts.document import Facts
from provisioner.facts.image import ImageSeen
from provisioner.facts.network import NetworkSeen
from provisioner.facts.reach import Reaches
from provisioner.facts.served_sockets import ServedSockets
from provisioner.files.folder import Folder
from provisioner.limits.document import Loads
from provisioner.observed import Fact, Items, Observed, Text, since_schema
from provisioner.runtimes.declared import Declared
from provisioner.runtimes.locate import EngineSeen
from provisioner.runtimes.settings import SettingSeen
from provisioner.sandboxes.shared_file import SharedFile
from pytest_isolation.policy.conditions import Conditions

ATTACHED = "attached: nothing is started in a sandbox that this run did not create"
_UNSAFE = re.compile(r"[^A-Za-z0-9._+-]+")
_WIDE = re.compile("[^\x00-\x7e]")


class TargetInfo(Observed):
    """
    What a check and a report may know of a target.

    Attributes:
        id: the target's id: "docker", "debian12/docker".
        kind: what its sandboxes are.
        class_: container, emulation, paravirtualisation or hardware-assisted.
        runtime: the name of the runtime.
        host: the host that it is on.
        boundary: what confines the sandbox: "process", "sentry", "vmm", or "none" (`self`).
        versions: by component, such as "docker" and "runc".
        capabilities: the runtime's documented default bounding set, None if none is documented.
        cannot: why something cannot be asked of this target, by name: "exec", "limits.pids", "network.private".
        conditions: what `when` in expected.yaml is compared with.
        attached: whether the sandbox was not created by the run, so that its subject is no probe.
        command: the user's command line that started it, "" for a runtime that a role describes.
        devices: the ids of the devices that the runtime declares for its VMs, None if it declares none.
        settings: the engine's own settings, None if it has none.
        engine: the engine that makes its sandboxes and that may be on another machine, None if there is none.
    """

    id: Text
    kind: Literal["container", "vm"]
    class_: Literal["container", "emulation", "paravirtualisation", "hardware-assisted"] = Field(alias="class")
    runtime: Annotated[str, Field(max_length=100, pattern="^[A-Za-z0-9][A-Za-z0-9._-]*$")]  # a folder of roles/
    host: Text
    boundary: Literal["process", "sentry", "vmm", "none"]
    versions: dict[Text, Text]
    capabilities: list[Text] | None
    cannot: dict[Text, Text]
    conditions: Conditions
    attached: bool = False
    command: Text = ""
    devices: Fact[list[Text] | None] = since_schema()
    settings: Fact[list[SettingSeen] | None] = since_schema()
    engine: Fact[EngineSeen | None] = since_schema()


class Record(Observed):
    """
    All that was observed and measured of one target.

    Attributes:
        run: the id of the run.
        target: the target.
        host: the host's view of itself.
        inside: the sandbox's view of itself.
        outside: the host's view of the sandbox's subject; None for a VM.
        vmm: the host's view of the hypervisor's process, or of the sentry's; None for another container.
        exec_: the view of a process that the runtime's own exec started in the sandbox.
        peer_inside, peer_outside: the views of a second sandbox, created in the same way.
        loads: limits under load, by name.
        reaches: tries to reach the peer, by network mode.
        residue: traces of a further sandbox after its runtime deleted it.
        survivors: what outlived the first process of that sandbox.
        image: the image before anything was started from it; None if no image is made for the target.
        served_sockets: unix sockets on which processes of the host serve, observed beside the sandbox.
        declared: what the sandbox was to be, as its runtime tells it; None if the runtime does not tell.
        shared_file: a file that the further sandbox made in a folder of the host; None if no folder can be shared.
        network: who reached whom in a network of our own; None if it was not asked for or cannot be tried.
        this_machine: the facts of a host that the sandbox does not run on (records/kernels.py); None if it does.
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
    served_sockets: ServedSockets = since_schema()
    declared: Fact[Declared | None] = since_schema()
    network: Fact[NetworkSeen | None] = since_schema()
    this_machine: Fact[Facts | None] = since_schema()


def dump_record(record: Record) -> bytes:
    """
    Return the record as JSON; equal records give equal bytes, and so equal names in the archive.

    The JSON is ASCII: text that a sandbox chose could otherwise reorder what a reader of the file sees.
    """
    return _WIDE.sub(_spell, record.model_dump_json(by_alias=True)).encode()


def _spell(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))


def save_record(record: Record, folder: Folder) -> str:
    """Write the record to FOLDER/<target>-<hash>.json, whole or not at all; return the file's name."""
    data = dump_record(record)
    target = _UNSAFE.sub("-", record.target.id)[:80].lstrip(".-") or "target"
    name = f"{target}-{hashlib.sha256(data).hexdigest()[:12]}.json"
    folder.write_whole(name, data)
    return name
