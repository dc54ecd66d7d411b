"""The system calls that a runtime's default filter refuses or lets through: roles/<name>/seccomp.yaml.

In: the file.
Out: a frozen `Refusals`, and `DefaultFilter`, what it lets through under the conditions of a target.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from provisioner.files.yaml import load_yaml
from provisioner.role_folders import role_folders, role_roots
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import When

Call = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+$", max_length=64)]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
FILE = "seccomp.yaml"
STRICTEST = "docker"  # its newest filter is the measure for runtimes that document none of their own


class LetsThrough(BaseModel):
    """
    Calls that the default filter allows though walls/seccomp/reasons.yaml does not call them harmless.

    `calls` holds names of calls, and labels of calls with arguments: "socket(AF_ALG)".  `but` holds labels that it
    refuses.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    calls: list[Line]
    but: list[Line] = []
    source: Line
    when: When = When()

    def covers(self, call: str, label: str) -> bool:
        """Whether the call with these arguments is among them."""
        return (call in self.calls or label in self.calls) and label not in self.but


class Refusals(BaseModel):
    """
    The calls that are refused to a sandbox with the default capabilities, and where that is documented.

    `lets_through` is what a check of the filter does not count.
    `allows_by_default` marks a deny list, which lets through all that it does not refuse.
    `weak` says that the check is open for what it lets through beyond the strictest default filter.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="roles/<name>/seccomp.yaml")
    source: Line
    refuses: list[Call]
    by_arguments: dict[Call, Line] = Field(default_factory=dict)  # refused for some arguments only
    lets_through: list[LetsThrough] = []
    allows_by_default: bool = False
    weak: bool = False


def load_refusals(path: Path) -> Refusals:
    """Read a seccomp.yaml; raises IsolationError with file, line and nearest key."""
    return load_yaml(path, Refusals)


def refusals_of(runtime: str) -> Refusals | None:
    """Return the refusals that a runtime documents, None if it documents no filter."""
    return _refusals(runtime, tuple(role_roots()))


@cache
def _refusals(runtime: str, roots: tuple[Path, ...]) -> Refusals | None:
    folder = role_folders(FILE, *roots).get(runtime)
    return load_refusals(folder / FILE) if folder else None


@dataclass(frozen=True)
class DefaultFilter:
    """
    What a runtime's default filter lets through under the conditions of one target.

    Attributes:
        entries: calls that it allows.
        refused: of a deny list, the calls that it refuses; None for an allow list.
        weak: whether the check is open for what it lets through beyond the strictest default filter.
    """

    entries: tuple[LetsThrough, ...]
    refused: frozenset[str] | None = None
    weak: bool = False

    @property
    def allows_by_default(self) -> bool:
        """Whether it is a deny list."""
        return self.refused is not None

    def lets_through(self, call: str, label: str) -> bool:
        """
        Whether it allows a call that is not harmless.

        Args:
            call: name of the call.
            label: the call with its arguments, as walls/seccomp/reasons.yaml names them.
        """
        if self.refused is not None:
            return call not in self.refused
        return any(entry.covers(call, label) for entry in self.entries)

    def is_weak_at(self, call: str, label: str) -> bool:
        """Whether the check is open for a call that it lets through: the strictest default filter refuses it."""
        return self.weak and not default_filter(STRICTEST, Conditions()).lets_through(call, label)


def default_filter(runtime: str, conditions: Conditions, unread: bool = False) -> DefaultFilter:
    """
    Return what a runtime's default filter lets through; a runtime without one is measured by the strictest one.

    Args:
        runtime: name of the runtime.
        conditions: what is known of the target.
        unread: whether entries count whose conditions could not be read.
    """
    documented = refusals_of(runtime)
    if documented is None:
        # the version is another program's: its newest filter counts
        documented, conditions, unread = refusals_of(STRICTEST), Conditions(), False
    assert documented is not None
    return DefaultFilter(
        tuple(
            entry
            for entry in documented.lets_through
            if entry.when.fits(conditions) or (unread and entry.when.unread(conditions))
        ),
        frozenset(documented.refuses) if documented.allows_by_default else None,
        documented.weak,
    )
