"""The system calls that a runtime documents as refused by its default filter: roles/<name>/seccomp.yaml.

In: the file.
Out: a frozen `Refusals`.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from provisioner.files.yaml import load_yaml
from provisioner.paths import ROLES

Call = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$", max_length=64)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]


class Refusals(BaseModel):
    """The calls that are refused to a sandbox with the default capabilities, and where that is documented."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="roles/<name>/seccomp.yaml")
    source: Line
    refuses: list[Call]
    by_arguments: dict[Call, Line] = Field(default_factory=dict)  # refused for some arguments only


def load_refusals(path: Path) -> Refusals:
    """Read a seccomp.yaml; raises IsolationError with file, line and nearest key."""
    return load_yaml(path, Refusals)


@cache
def refusals_of(runtime: str) -> Refusals | None:
    """Return the refusals that a runtime documents, None if it documents no filter."""
    path = ROLES / runtime / "seccomp.yaml"
    return load_refusals(path) if path.is_file() else None
