"""Unix sockets on which processes of the host serve, as frozen objects (probe/acts/unix_sockets.c).

In: the probe's answer to `served_sockets`.  Out: `ServedSocket`s.
"""

from __future__ import annotations

from typing import Literal

from pydantic import Field, ValidationError

from provisioner.facts.forms import AbsolutePath, DeviceNumber, Pid
from provisioner.observed import Fact, FactsError, Items, Number, Observed, Text, check_json, first_fault


class Server(Observed):
    """A process that holds a socket: its number on the host, its name and the last part of its executable's path."""

    pid: Pid
    name: Text
    exe: Text


class ServedSocket(Observed):
    """
    A unix socket with a path.

    `path` is its path as its process names it; `in_view` says whether that process is in the mount namespace of the
    host's probe.  `own` says whether a process of the sandbox holds it.  `processes` are the first that hold it.
    """

    path: AbsolutePath
    in_view: bool
    device: DeviceNumber
    inode: Number
    own: bool
    processes: Items[Server]


ServedSockets = Fact[Items[ServedSocket]]


class _Answer(Observed):
    schema_: Literal[1] = Field(alias="schema")
    nonce: Text
    served_sockets: ServedSockets


def parse_sockets(data: bytes, nonce: str) -> list[ServedSocket]:
    """
    Turn the probe's answer to `served_sockets` into a list of ServedSockets.

    Raises:
        FactsError: the bytes are not such a document, or carry another nonce.
        UnobservedFact: the probe could not look.
    """
    check_json(data, "served_sockets")
    try:
        answer = _Answer.model_validate_json(data)
    except ValidationError as error:
        raise FactsError(f"cannot read the served sockets: {first_fault(error)}") from None
    if answer.nonce != nonce:
        raise FactsError("cannot accept the served sockets: they carry another nonce than was given")
    return answer.served_sockets
