"""The system calls that a runtime's default filter refuses or lets through: roles/<name>/seccomp.yaml.

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
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import When

Call = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$", max_length=64)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]


STRICTEST = "docker"  # its filter is the measure for runtimes that document none of their own


class LetsThrough(BaseModel):
    """Calls that the default filter allows though walls/seccomp/reasons.yaml does not call them harmless."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    calls: list[Call]
    source: Line
    when: When = When()


class Refusals(BaseModel):
    """
    The calls that are refused to a sandbox with the default capabilities, and where that is documented.

    `lets_through` is what a check of the filter does not count; a deny list has none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="roles/<name>/seccomp.yaml")
    source: Line
    refuses: list[Call]
    by_arguments: dict[Call, Line] = Field(default_factory=dict)  # refused for some arguments only
    lets_through: list[LetsThrough] = []


def load_refusals(path: Path) -> Refusals:
    """Read a seccomp.yaml; raises IsolationError with file, line and nearest key."""
    return load_yaml(path, Refusals)


@cache
def refusals_of(runtime: str) -> Refusals | None:
    """Return the refusals that a runtime documents, None if it documents no filter."""
    path = ROLES / runtime / "seccomp.yaml"
    return load_refusals(path) if path.is_file() else None


def let_through_by(runtime: str, conditions: Conditions) -> frozenset[str]:
    """
    Return the calls that a runtime's default filter lets through though they are not harmless.

    A runtime without a documented allow list is measured by the strictest one.

    Args:
        runtime: name of the runtime.
        conditions: what is known of the target.
    """
    documented = refusals_of(runtime)
    if documented is None or not documented.lets_through:
        documented = refusals_of(STRICTEST)
    entries = documented.lets_through if documented else []
    return frozenset(call for entry in entries if entry.when.fits(conditions) for call in entry.calls)
