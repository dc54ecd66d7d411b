"""Defines a look and finds all looks: every decorated function of every module in looks/.

In: `@look(…)` over a function of a System.  Out: `find_looks`, which imports the modules of looks/ and runs no look.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from provisioner.doctor.finding import Seen
from provisioner.doctor.system import System

Ask = Callable[[System], Seen]

# in the order of the report; other groups come last
GROUPS = ("host", "users", "limits", "probe", "containers", "virtual machines", "box", "lab")


@dataclass(frozen=True)
class Look:
    """
    One question about this machine.

    Args:
        group: the topic.
        name: the thing in question; unique in its group.
        ask: the function that answers.
        deadline: a name in provisioner/deadlines.py.
        decides: abilities that are possible if this look, or another one that decides them, is ok or limited.
        needed_for: abilities that are impossible unless this look is ok or limited.
    """

    group: str
    name: str
    ask: Ask
    deadline: str = "doctor.look"
    decides: tuple[str, ...] = ()
    needed_for: tuple[str, ...] = ()


def look(
    group: str, name: str, needed_for: tuple[str, ...] = (), deadline: str = "doctor.look"
) -> Callable[[Ask], Ask]:
    """
    Mark a function as a look, so that `find_looks` finds it.

    Args:
        group: the topic.
        name: the thing in question; unique in its group.
        needed_for: abilities that are impossible unless this look is ok or limited.
        deadline: a name in provisioner/deadlines.py.

    Example:
        >>> @look("host", "wheels")
        ... def look_at_wheels(system: System) -> Seen:
        ...     return ok("four")
    """

    def mark(ask: Ask) -> Ask:
        ask.look = Look(group, name, ask, deadline, needed_for=needed_for)  # type: ignore[attr-defined]
        return ask

    return mark


def find_looks(also: Iterable[str] = ()) -> list[Look]:
    """
    Return all looks, sorted by group, in the order of their modules.

    A module may have a function `more_looks(also)` that returns looks which depend on data, such as one for each role.

    Args:
        also: names of required abilities that may need a look of their own: "podman+runc".
    """
    from provisioner.doctor import looks

    found: list[Look] = []
    for module_info in sorted(pkgutil.iter_modules(looks.__path__), key=lambda one: one.name):
        module = importlib.import_module(f"{looks.__name__}.{module_info.name}")
        marked = [value for value in vars(module).values() if hasattr(value, "look")]
        found += [value.look for value in marked if value.__module__ == module.__name__]
        if more := getattr(module, "more_looks", None):
            found += more(tuple(also))
    return sorted(found, key=lambda one: (_order(one.group), one.group))


def _order(group: str) -> int:
    return GROUPS.index(group) if group in GROUPS else len(GROUPS)
