"""Defines what a kind of resource is (package, file, service …) and finds all kinds.

In: the modules below resources/; each satisfies `Kind`.  Out: `find_kinds()`, in the order of applying.
A new kind is one new module there.  No kind is named here.
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from provisioner.converge import resources
from provisioner.converge.templates import Source


@dataclass(frozen=True)
class Aspect:
    """One property that differs: its name, its present value and its wanted value."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """
    One resource that must change.

    Attributes:
        kind: the name of its kind.
        name: its own name: a path, a package, a unit.
        aspects: the properties that differ; at least one.
        difference: lines of a unified diff; empty if the content cannot be shown.
    """

    kind: str
    name: str
    aspects: tuple[Aspect, ...]
    difference: tuple[str, ...] = ()

    def changes(self, what: str) -> bool:
        """Return whether the property `what` is among those that change."""
        return any(aspect.what == what for aspect in self.aspects)


@dataclass(frozen=True)
class Step:
    """
    Lines of POSIX sh that make changes; the first command that fails ends them (`set -e`).

    Attributes:
        title: a verb and its objects: "install 'docker.io'".
        script: the lines; `$log` names the file with their output so far.
        kind: the name of the kind that made the step.
        rank: steps run in the order of ranks.
        deadline: a name in provisioner/deadlines.py.
    """

    title: str
    script: str
    kind: str
    rank: int
    deadline: str = "converge.step"


@dataclass(frozen=True)
class Fault:
    """The cause of a failed step for the user: the action and its object, the reason, and the mend."""

    what: str
    why: str
    hint: str = ""


@runtime_checkable
class Kind(Protocol):
    """
    A kind of resource: a module below resources/.

    Attributes:
        NAME: one word: "package".
        KEY: its key in role.yaml: "packages".
        RANK: its position in the order of applying.
        FIELD: the type of the key's value in role.yaml; a list or a map.
    """

    NAME: str
    KEY: str
    RANK: int
    FIELD: Any

    def collect_wanted(self, sources: Sequence[Source]) -> Any:
        """Merge what several roles want; raises IsolationError if two contradict each other."""

    def render_read(self, wanted: Any) -> str:
        """Return lines of sh that print the present state as text without NUL; empty if there is nothing to read."""

    def parse_present(self, text: str) -> Any:
        """Parse the output of these lines into a frozen state; raises ValueError on any other text."""

    def diff_state(self, wanted: Any, present: Any, earlier: Sequence[Change]) -> list[Change]:
        """Compare, purely; `earlier` holds the changes of kinds of lower rank.  Raises IsolationError if impossible."""

    def make_steps(self, wanted: Any, changes: Sequence[Change]) -> list[Step]:
        """Return the steps that make these changes; a step may run twice."""

    def explain_failure(self, log: str) -> Fault | None:
        """Return the known cause of a failed step, from its output; None if it is not known."""


@functools.cache
def find_kinds() -> tuple[Kind, ...]:
    """Return all kinds in the order of applying; raises TypeError for a module that is no `Kind`."""
    found: list[Kind] = []
    for module in pkgutil.iter_modules(resources.__path__):
        kind = importlib.import_module(f"{resources.__name__}.{module.name}")
        if not isinstance(kind, Kind):
            raise TypeError(f"resources/{module.name}.py lacks a part of provisioner.converge.kinds.Kind")
        found.append(kind)
    return tuple(sorted(found, key=lambda kind: kind.RANK))
