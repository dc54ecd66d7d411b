"""How to look at a sandbox that somebody else made: the part `attach` of a runtime.yaml.

In: the YAML.  Out: a frozen `Attach`.  Called by runtime.py, which holds it, and attached.py, which follows it.
"""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Attach(BaseModel):
    """
    Commands that look at a user's own sandbox and change nothing.

    Templates may name `name`, the sandbox's, and `at`, "" for the runtime's default.

    Attributes:
        state: prints the sandbox's state as JSON.
        pid: a JSON pointer to the pid of its first process: "json:/0/State/Pid" (RFC 6901).
        exec: the runtime's own exec, which passes descriptor 3 on; None where it cannot, and `cannot` says why as
            "attach.exec".
        folder: whether a sandbox may be named with `at`, the folder where its runtime keeps it.
        leaves: cgroups below the sandbox's own that its exec makes: taken away again when they were not there before.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: list[str]
    pid: str = Field(pattern=r"^json:(/|$)")
    exec: list[str] | None = None
    leaves: list[str] = []
    folder: bool = False
