"""What a limit is, and which limits there are.

In: the modules below kinds/, each of which defines one `LIMIT`.  Out: `find_limits()`.
A limit's module decides everything that differs between limits; all other rooms go through this class.
"""

from __future__ import annotations

import functools
import importlib
import math
import pkgutil
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Generic, TypeVar

from provisioner.errors import IsolationError, UnobservedFact
from provisioner.limits import kinds
from provisioner.limits.cgroup import CgroupSetting
from provisioner.limits.figures import Figures, overshoot_of, show_overshoot
from provisioner.limits.measured import DEADLINE, CgroupFilesBase, LoadBase
from provisioner.limits.starving import was_held
from provisioner.observed import Observed

L = TypeVar("L", bound=LoadBase)
_AMOUNT = re.compile(r"(-?\d+(?:\.\d+)?(?:e\+?\d+)?|nan|inf) *([A-Za-z]*)", re.ASCII)


class Limit(ABC, Generic[L]):
    """
    One limit: how it is asked for, shown, put under load, and judged to be in force.

    Attributes:
        name: its name in runtime.yaml, in facts and loads, and in its check's id: "cpu".
        argument: the keyword by which `Limits` and `sandbox_factory` take its amount: "cpus".
        unit: the unit of its amounts, in words.
        units: the units that may end an amount in text, in lower case, each with its factor.
        example: amounts as a user may write them.
        number: int where only whole amounts make sense, else float.
        rank: its place among the limits: loads run in this order.
        amount: the amount that sandboxes are measured with.
        section: the model of its section of the cgroup files in a facts document.
        pushed: the largest amount of a user's own limit that a load is pushed against.
        always_in_facts: whether facts documents of all ages hold the section; elsewhere it is unobserved.
        load: the model of its load: `LoadBase` and the fields that this load measures.  A field that archives lack
            has the default `since_schema()`.
        shown_inside: facts by which the sandbox itself may see the amount, as dotted paths; the first number counts.
        tries: how often a load is repeated while others disturb it.
        word: what the amount is called in a sentence: "quota".
        resource: the resource of `visible.READERS` that it bounds; "" if none.
        ways: names of further ways to take what it bounds (loads/ways.c of the probe).
        beside: the only limits beside which its load runs, because others would come before it; None: all.
        needs: the name of the limit without which this one means nothing; "" if it stands alone.
    """

    name: ClassVar[str]
    argument: ClassVar[str]
    unit: ClassVar[str]
    units: ClassVar[Mapping[str, int]] = {}
    example: ClassVar[str]
    number: ClassVar[type[int] | type[float]] = int
    rank: ClassVar[int]
    amount: ClassVar[float]
    pushed: ClassVar[float]
    section: ClassVar[type[Observed]]
    always_in_facts: ClassVar[bool] = False
    load: type[L]
    shown_inside: ClassVar[tuple[str, ...]] = ()
    tries: ClassVar[int] = 3
    word: ClassVar[str] = "limit"
    resource: ClassVar[str] = ""
    ways: ClassVar[tuple[str, ...]] = ()
    beside: ClassVar[tuple[str, ...] | None] = None
    needs: ClassVar[str] = ""

    def read_amount(self, given: object, doing: str = "limit {} to") -> float:
        """
        Return an amount that a user wrote: a number, or text such as "64MiB".

        Args:
            given: what the user wrote.
            doing: what the amount is for, in the words of an error; {} is the limit's argument.

        Raises:
            IsolationError: it is no amount of this limit's unit, or not more than zero.
        """
        what = f"cannot {doing.format(self.argument)} {given!r}"
        match = _AMOUNT.fullmatch(str(given).strip()) if isinstance(given, (str, int, float)) else None
        factor = None if match is None else 1 if not match[2] else self.units.get(match[2].lower())
        if match is None or factor is None or isinstance(given, bool):
            raise IsolationError(f"{what}: it is counted in {self.unit}", f"write {self.example}")
        amount = float(match[1]) * factor
        if not 0 < amount < math.inf:
            raise IsolationError(f"{what}: it must be more than zero")
        if self.number is int and amount != int(amount):
            raise IsolationError(f"{what}: it is no whole number of {self.unit}", f"write {self.example}")
        return self.number(amount)

    def show_amount(self, amount: float) -> str:
        """Return an amount with its unit, as a user may write it: "192MiB", "0.5 processors"."""
        return f"{amount:g} {self.unit}"

    def show_used(self, load: L, used: float) -> str:
        """Return what the load came to, in the words of the sentence: "used 0.502 over 2 s"."""
        return f"used {self.show_amount(used)}"

    def measured_amount(self, step: float) -> float:
        """
        Return the amount that sandboxes of a runtime are measured with.

        Args:
            step: the smallest amount that the runtime can tell apart.
        """
        return self.number(max(self.amount, step))

    @abstractmethod
    def template_values(self, amount: Any) -> Mapping[str, object]:
        """Return the values that a runtime's templates for this limit may name."""

    def cgroup_setting(self, amount: Any) -> CgroupSetting | None:
        """Return what is written into a cgroup to set this limit by hand; None if no cgroup sets it."""
        return None

    def cgroup_setting_beside(self, amount: Any, beside: Mapping[str, float]) -> CgroupSetting | None:
        """
        Return what is written into a cgroup to set this limit by hand beside others; None if no cgroup sets it.

        Args:
            amount: the limit's.
            beside: the amounts of all limits that are asked for, by their names.
        """
        return self.cgroup_setting(amount)

    @abstractmethod
    def load_argv(self, amount: Any, host_cpus: int) -> tuple[str, ...]:
        """
        Return the probe's request that pushes against the limit, bounded in amount and time.

        Args:
            amount: the limit's.
            host_cpus: processors online on the host.
        """

    def again_argv(self, amount: Any, host_cpus: int, attempt: int) -> tuple[str, ...]:
        """Return the request of `load_argv` for one try, 0 for the first: a later one may have a longer window."""
        return self.load_argv(amount, host_cpus)

    def push_argv(self, pushed: Any, host_cpus: int) -> tuple[str, ...]:
        """
        Return the probe's request that takes up to an amount which a test chose, whatever the limit is.

        Args:
            pushed: the amount, in the limit's unit.
            host_cpus: processors online on the host.

        Raises:
            IsolationError: the load of this limit takes no amount.
        """
        raise IsolationError(f"cannot push an amount of {self.argument}: its load takes none")

    @abstractmethod
    def read_load(self, output: bytes, host_cpus: int) -> dict[str, Any]:
        """
        Return the measured fields of `load`; a field that is left out is unobserved.

        Args:
            output: what the load printed.
            host_cpus: processors online on the host.
        """

    def declared(self, files: CgroupFilesBase) -> float | None:
        """
        Return the least amount that the cgroup of a process and those above it declare; None if none does.

        It is the field `limit` of the section, unless the limit's module says otherwise.

        Raises:
            UnobservedFact: it was not observed.
        """
        amount: float | None = getattr(files, self.name).limit
        return amount

    def why_no_object(self, files: CgroupFilesBase) -> str | None:
        """
        Return why a sandbox with these files has nothing that the limit is for, or None.

        Raises:
            UnobservedFact: it was not observed.
        """
        return None

    def why_unbounded(self, files: CgroupFilesBase) -> str | None:
        """
        Return why a sandbox with these files has no such limit, or None if they declare one.

        Raises:
            UnobservedFact: it was not observed.
        """
        if self.declared(files) is not None:
            return None
        return f"limit=none: its cgroup and those above set no limit of {self.unit}"

    def most_pushed(self, host_cpus: int) -> float:
        """
        Return the largest amount of a user's own limit that a load is pushed against.

        A load that goes beyond a larger one would take more from the host than a test may.

        Args:
            host_cpus: processors online on the host.
        """
        return self.pushed

    def processors(self, amount: float, host_cpus: int, attempt: int) -> float:
        """
        Return how many of the host's processors the load needs for itself.

        Args:
            amount: the limit's.
            host_cpus: processors online on the host.
            attempt: 0 for the first try.
        """
        return 0

    def was_disturbed(self, load: L) -> bool:
        """Tell whether other work on the host decided how the load came out, so that it is worth another try."""
        return load.raw("ended") == DEADLINE and not was_held(load)

    def used(self, load: L) -> float | None:
        """Return the most that the load came to, in the limit's unit; None if it measured nothing.  Pure."""
        return None

    def measured(self, load: L) -> Figures:
        """Return the figures of a load as people quote them.  Pure; what was not observed is left out."""
        inside, used = load.raw("inside"), self.used(load)
        overshoot = overshoot_of(load.limit, used)
        text = f"{self.word} {self.show_amount(load.limit)}"
        if used is not None:
            text += f", {self.show_used(load, used)} ({show_overshoot(overshoot)})"
        return Figures(
            unit=self.unit,
            allotted=load.limit,
            inside=float(inside) if isinstance(inside, int | float) else None,
            outside=_shown(self, load),
            measured=used,
            overshoot=overshoot,
            text=text,
            set_by=load.set_by,
        )

    def why_not_applicable(self, load: L) -> str | None:
        """Return why there is nothing to limit on this host, or None.  Pure."""
        return None

    @abstractmethod
    def why_not_in_force(self, load: L) -> str | None:
        """
        Return why the limit is not in force, or None if it is.  Pure.

        Raises:
            UnobservedFact: the load cannot tell: it never came near the limit, or something else ended it.
        """


def _shown(limit: Limit[Any], load: LoadBase) -> float | None:
    """Return the amount that the host shows; None if it shows none, or was not asked."""
    files = load.raw("shown")
    try:
        return limit.declared(files) if isinstance(files, CgroupFilesBase) else None
    except UnobservedFact:
        return None


@functools.cache
def find_limits() -> tuple[Limit[Any], ...]:
    """
    Return all limits by their rank: the `LIMIT` of each module below kinds/.

    Raises:
        TypeError: a module has none, or shares its name, its argument, its load or a field of it with another one.
    """
    found: list[Limit[Any]] = []
    for module in pkgutil.iter_modules(kinds.__path__):
        limit = getattr(importlib.import_module(f"{kinds.__name__}.{module.name}"), "LIMIT", None)
        if not isinstance(limit, Limit):
            raise TypeError(f"limits/kinds/{module.name}.py defines no LIMIT of provisioner.limits.limit.Limit")
        found.append(limit)
    own = [(part, getattr(limit, part)) for limit in found for part in ("name", "argument", "load")]
    own += [
        ("field", field) for limit in found for field in limit.load.model_fields if field not in LoadBase.model_fields
    ]
    if twice := next((one for one in own if own.count(one) > 1), None):
        raise TypeError("two modules of limits/kinds have the {} {!r}".format(*twice))
    return tuple(sorted(found, key=lambda limit: limit.rank))


def limit_names() -> tuple[str, ...]:
    """Return the names of all limits."""
    return tuple(limit.name for limit in find_limits())


def limit_named(name: str) -> Limit[Any]:
    """Return the limit of this name; a KeyError where there is none."""
    return {limit.name: limit for limit in find_limits()}[name]
