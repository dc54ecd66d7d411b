"""How to look at a sandbox that this run did not make: the key `attach` of a runtime.yaml."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Attach(BaseModel):
    """
    Commands that look at a user's sandbox without changing it.

    Attributes:
        state: prints the sandbox's state as JSON.
        pid: a JSON pointer to the pid of its first process: "json:/0/State/Pid" (RFC 6901).
        id: a JSON pointer to its id, if a daemon made it, which may be on another machine; None if the runtime's own
            commands made it.  The id is random, and the host shows it in the cgroups and mounts of the process.
        oci: a JSON pointer to the name or path of the OCI runtime that made it; None if there is none below the engine.
        exec: the runtime's own exec, if it passes descriptor 3 on; else None, with the reason in `cannot` under
            "attach.exec".
        leaves: cgroups that its exec creates below the sandbox's; they are removed unless they existed before.
        running: prints the names of all that run, separated by white space; [] if they cannot be listed.
        folder: whether a sandbox may be named with `at`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    state: list[str]
    pid: str = Field(pattern=r"^json:(/|$)")
    id: str | None = Field(default=None, pattern=r"^json:(/|$)")
    oci: str | None = Field(default=None, pattern=r"^json:(/|$)")
    exec: list[str] | None = None
    leaves: list[str] = []
    running: list[str] = []
    folder: bool = False
