"""The document that the probe answers to `facts` and `outside`, as one frozen object.

In: bytes of the probe or of an archive (probe/facts.schema.json describes them).  Out: `Facts`, or a `FactsError`.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError

from provisioner.facts.forms import BootId, Time
from provisioner.facts.holdings import Backing, Connection
from provisioner.facts.platform import Listener
from provisioner.facts.process import Process, TaskState
from provisioner.facts.system import System
from provisioner.limits.document import CgroupFiles
from provisioner.observed import (
    Fact,
    FactsError,
    Items,
    Number,
    Observed,
    Text,
    check_json,
    first_fault,
    since_schema,
)


class Facts(Observed):
    """
    One document of facts.

    `view` is "inside" (the probe describes itself) or "outside" (the host's probe describes another process; `system`
    is then None).  `boot_id` names the kernel.  Together with the inode it identifies a namespace: initial namespaces
    have the same inodes in every kernel.
    """

    schema_: Literal[1] = Field(alias="schema")
    view: Literal["inside", "outside"]
    nonce: Text
    probe: Text  # hash of the probe's sources
    boot_id: Fact[BootId]
    time: Time  # seconds since 1970
    process: Process
    limits: CgroupFiles
    system: System | None
    tasks: Fact[Items[TaskState] | None] = since_schema()  # None inside; outside: what else runs in the sandbox
    # None inside; outside: tasks that do not count: they ended, or had not started their program yet
    left_out: Fact[Number | None] = since_schema()
    listeners: Fact[Items[Listener]] = since_schema()  # of the view "outside"
    backings: Fact[Items[Backing]] = since_schema()  # of a hypervisor's process
    connections: Fact[Items[Connection]] = since_schema()  # of a hypervisor's process


def parse_facts(data: bytes, nonce: str | None = None) -> Facts:
    """
    Parse the probe's answer.

    Args:
        data: the document, at most 1 MiB of UTF-8 JSON.
        nonce: the nonce that the document must carry; None accepts any (archived documents).

    Raises:
        FactsError: the bytes are not such a document, or carry another nonce.
    """
    check_json(data, "facts")
    try:
        facts = Facts.model_validate_json(data)
    except ValidationError as error:
        raise FactsError(f"cannot read the facts: {first_fault(error)}") from None
    if nonce is not None and facts.nonce != nonce:
        raise FactsError("cannot accept the facts: they carry another nonce than this sandbox was given")
    return facts
