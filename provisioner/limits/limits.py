"""The limits that one sandbox is asked to keep."""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest_and_list
from provisioner.limits.cgroup import CgroupSetting
from provisioner.limits.limit import find_limits, limit_named

LimitValues = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True, init=False)
class Limits:
    """
    What a sandbox may take.

    Args:
        asked: an amount for each limit by its argument, a number in the limit's unit or text: `memory` in bytes or as
            "64MiB", `memory_swap` as bytes of memory and swap together, `cpus` in processors' worth of time, `pids` in
            tasks.  None asks for no limit.

    Attributes:
        amounts: the amounts that are asked for, by the limit's name, in the order of `find_limits()`.

    Raises:
        IsolationError: there is no such limit, an amount is not more than zero, or a limit needs another one.

    Example:
        >>> Limits(memory="64MiB", cpus=0.5).amounts
        {'memory': 67108864, 'cpu': 0.5}
    """

    amounts: Mapping[str, float] = field(hash=False)

    def __init__(self, **asked: str | float | None) -> None:
        known = {limit.argument: limit for limit in find_limits()}
        for argument in asked:
            if argument not in known:
                listed = f"there are: {', '.join(known)}"
                raise IsolationError(f"cannot limit '{argument}'", suggest_and_list(argument, known, listed))
        amounts = {
            limit.name: limit.read_amount(given)
            for argument, limit in known.items()
            if (given := asked.get(argument)) is not None
        }
        for limit in known.values():
            if limit.name in amounts and limit.needs and limit.needs not in amounts:
                needed = limit_named(limit.needs).argument
                raise IsolationError(f"cannot limit {limit.argument} alone", f"give {needed} too")
        object.__setattr__(self, "amounts", amounts)

    @classmethod
    def of(cls, amounts: Mapping[str, float]) -> Limits:
        """Return limits from amounts by the limits' names."""
        return cls(**{limit_named(name).argument: amount for name, amount in amounts.items()})

    def by_argument(self) -> dict[str, float | None]:
        """Return the amount of every limit by its argument, None where none is asked for."""
        return {limit.argument: self.amounts.get(limit.name) for limit in find_limits()}

    def template_values(self) -> LimitValues:
        """Return each limit that is asked for, with the values that a runtime's templates may name."""
        return {name: limit_named(name).template_values(amount) for name, amount in self.amounts.items()}

    def cgroup_settings(self, names: Container[str] | None = None) -> tuple[CgroupSetting, ...]:
        """
        Return what is written into cgroups to set these limits by hand.

        Args:
            names: the limits that are set by hand; None: all.
        """
        by_hand = self.amounts if names is None else names
        found = (
            limit_named(name).cgroup_setting_beside(amount, self.amounts)
            for name, amount in self.amounts.items()
            if name in by_hand
        )
        return tuple(setting for setting in found if setting is not None)
