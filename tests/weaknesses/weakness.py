"""One synthetic weakness or look-alike, and functions that build their edits.

In: nothing.  Out: `Weakness`, `Lookalike`, and edits of a sound record of facts_factory.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from agreeing import agreeing
from fact_parts import INITIAL, PROC, TMPFS, Dict, mount

from pytest_isolation.walls.capabilities import mask_of

VIEWS = "view.agree"
Edit = Callable[[Dict], None]


@dataclass(frozen=True)
class Weakness:
    """
    One missing wall, and the check that must find it.

    Attributes:
        check: id of the check.
        name: names the weakness in reports.
        record: name of a sound record of facts_factory.
        edit: takes the wall away; both views show it, except for weaknesses of `view.agree`.
        cause: a fragment of the reason.
        also: other checks that must move with it.
        verdict: the check's new verdict.
        synthetic: whether no live plant shows it.
    """

    check: str
    name: str
    record: str
    edit: Edit
    cause: str
    also: frozenset[str] = frozenset()
    verdict: str = "open"
    synthetic: bool = True

    def __post_init__(self) -> None:
        if self.check != VIEWS:
            object.__setattr__(self, "edit", agreeing(self.edit))

    def __str__(self) -> str:
        return f"{self.check}: {self.name}"


@dataclass(frozen=True)
class Lookalike:
    """
    A difference that is no weakness: only the verdicts in `moves` may change.

    Both views show it, unless `one_view` is set.
    """

    name: str
    record: str
    edit: Edit
    moves: tuple[tuple[str, str], ...] = ()
    one_view: bool = False

    def __post_init__(self) -> None:
        if not self.one_view:
            object.__setattr__(self, "edit", agreeing(self.edit))

    def __str__(self) -> str:
        return self.name


def put(*where: str | int, to: Any) -> Edit:
    """Return the edit that sets the value at these keys."""

    def edit(document: Dict) -> None:
        at: Any = document
        for key in where[:-1]:
            at = at[key]
        assert not isinstance(at, dict) or at.get(where[-1]) != to, f"{where} is so already"
        at[where[-1]] = to

    return edit


def add(*where: str, item: Any) -> Edit:
    """Return the edit that appends to the list at these keys."""

    def edit(document: Dict) -> None:
        at: Any = document
        for key in where:
            at = at[key]
        at.append(item)

    return edit


def grant(part: str, set_: str, *names: str) -> Edit:
    """Return the edit that adds capabilities to one set of one process."""

    def edit(document: Dict) -> None:
        document[part]["process"]["capabilities"][set_] |= mask_of(names)

    return edit


def weak(check: str, name: str, edit: Edit, cause: str, *also: str, record: str = "container", **more: Any) -> Weakness:
    """Return a weakness of the container that lacks no wall, or of another record."""
    return Weakness(check, name, record, edit, cause, frozenset(also), **more)


def ns(kind: str) -> Edit:
    """Return the edit that puts the subject into the host's namespace of a kind."""
    return put("outside", "process", "namespaces", kind, to=INITIAL[kind])


def proc(part: str, name: str, to: Any) -> Edit:
    """Return the edit of one fact of a process."""
    return put(part, "process", name, to=to)


def path(path: str, field: str, to: Any) -> Edit:
    """Return the edit of one field of an observed path."""
    return put("inside", "system", "paths", path, field, to=to)


def row(row: str, result: str) -> Edit:
    """Return the edit of the answer of a try."""
    return put("inside", "system", "tries", row, "result", to=result)


def mounted(line: Dict) -> Edit:
    """Return the edit that adds a line to the mount table."""
    return add("outside", "process", "mounts", item=line)


def load(name: str, field: str, to: Any) -> Edit:
    """Return the edit of the result of a load."""
    return put("loads", name, field, to=to)


def host_bind(target: str, path: str) -> Dict:
    """Return the line of a bind from the host."""
    return mount(target, "ext4", 1, root=path, major=8)


def node(path: str, kind: str, major: int, minor: int, open_: str | None = None) -> Dict:
    """Return a device node."""
    return {"path": path, "kind": kind, "major": major, "minor": minor, "open": open_}


KERNEL_FILE = {"type": "file", "rdev": None, "fstype": PROC, "read_only": False, "entries": None, "write": None}
FIFO = KERNEL_FILE | {"type": "fifo", "fstype": TMPFS}
UNSEEN = {"unobserved": "EACCES", "why": "not root"}
