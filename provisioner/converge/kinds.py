"""What a kind of resource is (package, file, service …), and which kinds there are.

In: the modules below resources/, each of which satisfies `Kind`.  Out: `find_kinds()`, in the order of applying.
Called by role.py, state.py, plan.py and apply.py.  A new kind is one new module: nothing here names any.
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
    """One thing that is not as a role wants it: what it is, how it was found, how it will be."""

    what: str
    before: str
    after: str


@dataclass(frozen=True)
class Change:
    """
    One resource that must change.

    Attributes:
        kind: which kind of resource it is.
        name: the resource's own name: a path, a package, a unit.
        aspects: what differs; at least one.
        difference: lines of a unified diff, where contents can be shown.
    """

    kind: str
    name: str
    aspects: tuple[Aspect, ...]
    difference: tuple[str, ...] = ()

    def changes(self, what: str) -> bool:
        """Tell whether this aspect is among those that change."""
        return any(aspect.what == what for aspect in self.aspects)


@dataclass(frozen=True)
class Step:
    """
    Lines of POSIX sh that carry changes out; the first command that fails ends them (`set -e`).

    Attributes:
        title: a verb and its objects: "install 'docker.io'".
        script: the lines; `$log` names the file that holds what they printed so far.
        kind: whose step it is.
        rank: steps are taken in the order of ranks; by default the kind's own.
        deadline: a name in provisioner/deadlines.py.
    """

    title: str
    script: str
    kind: str
    rank: int
    deadline: str = "converge.step"


@dataclass(frozen=True)
class Fault:
    """Why a step failed, in a user's words: what could not be done to which object, why, and the mend."""

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
        RANK: its place in the order of applying.
        FIELD: the type of the key's value in role.yaml, which must be a list or a map.
    """

    NAME: str
    KEY: str
    RANK: int
    FIELD: Any

    def collect_wanted(self, sources: Sequence[Source]) -> Any:
        """Bring together what several roles want; IsolationError where two contradict each other."""

    def render_read(self, wanted: Any) -> str:
        """Return lines of sh that print the present state, as text without NUL; empty when there is none to read."""

    def parse_present(self, text: str) -> Any:
        """Turn what these lines printed into a frozen state; ValueError where it is not what they print."""

    def diff_state(self, wanted: Any, present: Any, earlier: Sequence[Change]) -> list[Change]:
        """Compare; `earlier` holds the changes of the kinds of lower rank.  Pure; IsolationError for the impossible."""

    def make_steps(self, wanted: Any, changes: Sequence[Change]) -> list[Step]:
        """Return the steps that carry this kind's changes out; taking one twice does no harm."""

    def explain_failure(self, log: str) -> Fault | None:
        """Return what a failed step's output means, where it is known."""


@functools.cache
def find_kinds() -> tuple[Kind, ...]:
    """Return all kinds in the order of applying."""
    found: list[Kind] = []
    for module in pkgutil.iter_modules(resources.__path__):
        kind = importlib.import_module(f"{resources.__name__}.{module.name}")
        if not isinstance(kind, Kind):
            raise TypeError(f"resources/{module.name}.py lacks a part of provisioner.converge.kinds.Kind")
        found.append(kind)
    return tuple(sorted(found, key=lambda kind: kind.RANK))
