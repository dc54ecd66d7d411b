"""What a limit shows: the base models of cgroup files and of loads, and the arithmetic that all limits share.

In: nothing.  Out: models that each module of kinds/ extends by its own fields; document.py puts them together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from provisioner.errors import UnobservedFact
from provisioner.limits.visible import Visible
from provisioner.observed import (
    NOT_HELD,
    U64,
    Answer,
    Fact,
    FactMap,
    Number,
    Observed,
    Text,
    Unobserved,
    since_schema,
)

Amount = Annotated[float, Field(ge=0, le=U64, allow_inf_nan=False)]


BUSY = "the host was too busy"  # begins the reason of a load that other work on the host kept from its limit
DEADLINE = "deadline"  # how a load ends that took too long


class CgroupFilesBase(Observed):
    """
    The cgroup files and resource limits that rule the process.

    `version` is that of the hierarchy with the controllers, 0 for none.
    """

    version: Annotated[int, Field(ge=0, le=2)]

    if TYPE_CHECKING:  # document.py adds a field for each limit

        def __getattr__(self, name: str) -> Any: ...

    def section(self, name: str) -> Any:
        """
        Return one limit's section, for arithmetic that must also run where it was not observed.

        Returns:
            The section, or `Unobserved`.
        """
        return self.__dict__.get(name, Unobserved(unobserved="", why=NOT_HELD))


class Way(Observed):
    """
    One further way to take what a limit bounds (loads/ways.c of the probe).

    Attributes:
        held: the most that its living processes held at once, in the limit's unit.
        reached: how far it got before a process of it was killed.
        killed: how many of its processes were killed.
        error: the errno's name of the call that stopped it; "ok" if none did.
    """

    held: Number
    reached: Number
    killed: Number
    error: Answer


Ways = FactMap[Fact[Way]]


class LoadBase(Observed):
    """
    One limit, asked for and then put under a real, bounded load.

    Attributes:
        limit: the amount that was asked for, in the limit's unit.
        refused: the runtime's own words when it would not create the sandbox with it, else "".
        warning: what the runtime printed on its error stream while it created the sandbox.
        shown: the cgroup files that rule the sandbox, seen from the host before the load; None for a VM.
        after: the same files after the load.
        inside: the amount that the sandbox itself sees; None where it sees none.
        ended: how the load ended: "exit N", "signal SIGKILL", "end of stream", or the error frame's text.
        host_cpus: processors that the host has online.
        set_by: what set the limit: arguments of the runtime, a key of its config, or files of a cgroup.
        ways: further ways to take what the limit bounds, by name.
        ran_us: how long the load's tasks ran, added up (Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat).
        waited_us: how long they were ready to run and waited for a processor, added up.
        existed_us: how long they existed, added up.
        visible: what its sandbox sees of memory and processors.
    """

    limit: Amount
    refused: Text
    warning: Text
    shown: Fact[CgroupFilesBase | None]
    after: Fact[CgroupFilesBase | None]
    inside: Fact[Amount | None]
    ended: Text
    host_cpus: Fact[Number]
    set_by: Text = ""
    ways: Fact[Ways] = since_schema()
    ran_us: Fact[Number] = since_schema()
    waited_us: Fact[Number] = since_schema()
    existed_us: Fact[Number] = since_schema()
    visible: Fact[Visible] = since_schema()


def amount_inside(load: LoadBase) -> float:
    """
    Return the amount that the sandbox itself sees.

    Raises:
        UnobservedFact: it sees none, and the host shows none either.
    """
    if load.inside is None:
        raise UnobservedFact("loads.inside", "", "neither the host nor the sandbox shows the limit")
    return load.inside


def beyond(load: LoadBase, least: float) -> list[str]:
    """
    Return each further way that held at least an amount, as "memfd: held 83886080".

    Args:
        load: the measured load.
        least: the least amount that is beyond the limit, in the limit's unit.
    """
    ways = load.raw("ways")
    held = {name: ways.root[name] for name in ways.names()} if isinstance(ways, FactMap) else {}
    return [f"{name}: held {way.held}" for name, way in held.items() if isinstance(way, Way) and way.held >= least]


def measured_number(load: LoadBase, name: str) -> int | None:
    """Return a whole number that the load measured; None if it was not observed."""
    value = load.raw(name)
    return value if isinstance(value, int) else None


def counter_rose(load: LoadBase, section: str, name: str) -> bool:
    """
    Tell whether a counter is higher after the load than before.

    Args:
        load: the measured load.
        section: the limit's section of the cgroup files.
        name: the counter's name in it.

    Returns:
        True also where the counter could not be read twice: a cgroup may go with its sandbox.
    """
    before, after = counter(load.raw("shown"), section, name), counter(load.raw("after"), section, name)
    return before is None or after is None or after > before


def counter(files: CgroupFilesBase | Unobserved | None, section: str, name: str) -> int | None:
    """
    Return a number of one limit's section; None if it is absent or unobserved.

    Args:
        files: the cgroup files.
        section: the limit's name.
        name: the number's name in the section.
    """
    if not isinstance(files, CgroupFilesBase):
        return None
    group = files.section(section)
    value = group.raw(name) if isinstance(group, Observed) else None
    return value if isinstance(value, int) else None


def or_none(number: float | None) -> str:
    """Return a limit's amount as text; None is "no limit"."""
    return "no limit" if number is None else f"{number:g}" if isinstance(number, float) else str(number)
