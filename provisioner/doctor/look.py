"""What a look is, and how looks are found: every decorated function of every module in looks/.

In: `@look(…)` over a function of a System.  Out: `find_looks`.  Called by the modules in looks/ and by examine.py.
Imports the modules of looks/ when it is asked for them, and runs none.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from provisioner.doctor.finding import Seen
from provisioner.doctor.system import System

Ask = Callable[[System], Seen]

# in the order of a report; a group that is not here comes after them
GROUPS = ("host", "users", "limits", "probe", "containers", "virtual machines", "box", "lab")


@dataclass(frozen=True)
class Look:
    """
    One question.

    Args:
        group: its topic.
        name: of what is looked at; unique in its group.
        ask: answers it.
        deadline: its name in provisioner.deadlines.
        decides: abilities that come true by this look or one like it.
        needed_for: abilities that are impossible unless this is ok or limited.
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
    Make a look of a function; `find_looks` finds it by this mark.

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
    Return all looks, by group, in the order in which their modules have them.

    A module may also have a function `more_looks(also)`, which returns looks that depend on data: one for each role.

    Args:
        also: names of abilities that were asked for and may need a look of their own: "podman+runc".
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
