"""Where an engine is that its client reaches over a socket: the address, and who says so.

In: a runtime's `locate` and the answer of its command.  Out: `EngineSeen`.  An address proves nothing: a socket of this
machine may lead to another one (ssh -L, Docker Desktop).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, Field

from provisioner.observed import Observed, Text
from provisioner.runtimes.settings import POINTER, json_at


class Locate(BaseModel):
    """
    How to learn which daemon the runtime's client talks to.

    Attributes:
        argv: a command that prints JSON.
        address: a JSON pointer to the daemon's address: "json:/0/Endpoints/docker/Host".
        remote: a JSON pointer to whether there is a daemon at all; None if there always is one.
        by: a JSON pointer to what decides, for a client with named connections; None if it names none.
        variables: the variables that decide, the strongest first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    argv: list[str]
    address: str = Field(pattern=POINTER)
    remote: str | None = Field(default=None, pattern=POINTER)
    by: str | None = Field(default=None, pattern=POINTER)
    variables: list[str] = []

    def is_chosen(self, variables: Mapping[str, str]) -> bool:
        """Whether a variable names the daemon, which then may be far away."""
        return any(variables.get(name) for name in self.variables)


class EngineSeen(Observed):
    """
    A daemon as its client names it.

    Attributes:
        address: "unix:///run/docker.sock", "ssh://user@host", "tcp://10.0.0.1:2376"; "" if the client does not tell.
        by: what decides: a variable, a context; "" for the client's default.
    """

    address: Text
    by: Text


def read_engine(locate: Locate, answer: bytes, variables: Mapping[str, str]) -> EngineSeen | None:
    """
    Read where the daemon is; None if the runtime uses none.

    Args:
        locate: how to read it.
        answer: what the command printed; anything else than JSON tells nothing.
        variables: the environment of the client.
    """
    try:
        document = json.loads(answer)
    except ValueError:
        document = None
    if locate.remote is not None and document is not None and json_at(document, locate.remote) is not True:
        return None
    found = json_at(document, locate.address)
    address = re.sub(r"//[^/@]*:[^/@]*@", "//", found) if isinstance(found, str) else ""  # no password
    named = json_at(document, locate.by) if locate.by else None
    by = next((name for name in locate.variables if variables.get(name)), "")
    if not by and isinstance(named, str) and named != "default":
        by = f"context '{named}'"
    return EngineSeen(address=address[:200], by=by[:200])
