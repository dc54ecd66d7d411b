"""A load that a test pushes against a limit of a sandbox that it made.

In: the running sandbox, a limit's name and an amount.
Out: `LimitLoad`: its figures, how it ended, and why the limit is not in force.
"""

from __future__ import annotations

import functools
from typing import Any

from provisioner.errors import IsolationError, UnobservedFact
from provisioner.files.suggest import suggest_and_list
from provisioner.limits.document import Load
from provisioner.limits.figures import Figures
from provisioner.limits.limit import Limit, find_limits
from provisioner.sandboxes.loads import RunningLoad
from provisioner.sandboxes.sandbox import Sandbox
from pytest_isolation.walls.limits import why_not_in_force


class LimitLoad:
    """
    A load that runs in a sandbox, bounded in amount and time.

    Args:
        limit: the limit that it pushes against.
        pushed: how much it takes at most, in the limit's unit.
        running: the load.
    """

    def __init__(self, limit: Limit[Any], pushed: float, running: RunningLoad) -> None:
        self._limit = limit
        self._pushed = pushed
        self._running = running

    @functools.cached_property
    def measured(self) -> Load:
        """All that was measured of it; waits for its end."""
        return self._running.wait()

    def result(self) -> Figures:
        """
        Wait for its end, and return its figures.

        Returns:
            `allotted`, `inside`, `outside` and `measured` in `unit`; `overshoot` in per cent; the same as `text`.
        """
        return self._limit.measured(self.measured)

    @property
    def ended(self) -> str:
        """How it ended: "exit 0", "signal SIGKILL", or "end of stream" if the sandbox ended with it."""
        return self.measured.ended

    def why_not_in_force(self) -> str | None:
        """
        Return why the limit is not in force, or None if it is.

        Raises:
            UnobservedFact: the load cannot tell, because it stayed below the limit: the test is `unknown`.
        """
        load = self.measured
        if self._pushed <= load.limit:
            pushed, limit = self._limit.show_amount(self._pushed), self._limit.show_amount(load.limit)
            raise UnobservedFact(f"loads[{self._limit.name}]", "", f"a load of {pushed} does not exceed {limit}")
        return why_not_in_force(load, self._limit.name)


def start_load(sandbox: Sandbox, name: str, pushed: str | float | None, host_cpus: int) -> LimitLoad:
    """
    Start a load in a sandbox.

    Args:
        sandbox: the sandbox.
        name: the limit's name or argument: "memory", "cpu" or "cpus".
        pushed: how much it takes at most: a number in the limit's unit, or text such as "128MiB"; None: twice the
            limit.
        host_cpus: processors online on the host.

    Raises:
        IsolationError: there is no such limit, the amount is none, or the sandbox has no such limit.
    """
    limit = limit_called(name)
    amount = None if pushed is None else limit.read_amount(pushed, "push {} by")
    held = sandbox.spec.limits.amounts.get(limit.name)
    if held is None:
        outside = sandbox.outside()
        held = limit.declared(outside.limits) if outside else None
    if held is None:
        hint = f"make the sandbox with one: sandbox_factory({limit.argument}=…)"
        raise IsolationError(f"cannot push against {limit.argument}: the sandbox has no such limit", hint)
    amount = limit.number(held * 2) if amount is None else amount
    return LimitLoad(limit, amount, RunningLoad(sandbox, limit, held, amount, host_cpus))


def limit_called(name: str) -> Limit[Any]:
    """
    Return the limit of a name, or of an argument of `Limits`.

    Raises:
        IsolationError: there is none.
    """
    known = {called: limit for limit in find_limits() for called in (limit.argument, limit.name)}
    if name not in known:
        listed = f"there are: {', '.join(known)}"
        raise IsolationError(
            f"cannot push against '{name}': there is no such limit", suggest_and_list(name, known, listed)
        )
    return known[name]
