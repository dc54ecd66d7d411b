"""Puts the limits of a runtime under real, bounded loads: set = shown = in force.

In: a way to create sandboxes of one target.  Out: one `Load` for each limit; what failed is a value, too.  What to ask
for, what to run and what to read out of it is each limit's own (limits/kinds/).
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError, UnobservedFact
from provisioner.facts.document import Facts
from provisioner.limits.document import CgroupFiles, Load
from provisioner.limits.guard import why_not_pushed
from provisioner.limits.limit import Limit, find_limits, limit_named
from provisioner.limits.limits import Limits
from provisioner.limits.starving import window
from provisioner.linux.cgroups import CannotLimitError
from provisioner.observed import MAX_TEXT, FactMap, Observed, Unobserved, first_fault, unobserved
from provisioner.probe.frames import ChannelError
from provisioner.probe.request import Pending, Reply
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import RefusedError, Spec
from provisioner.sandboxes.visible import visible_in
from provisioner.sandboxes.ways import measure_ways

_SCHEDULE = re.compile(rb"^schedule ran_us (\d{1,20}) waited_us (\d{1,20}) of_us (\d{1,20})$", re.MULTILINE)
Create = Callable[[Spec], Sandbox]

SPARE = 0.5  # processors left to everything else while loads run
MOST_BEYOND = 2  # times the largest amount of a limit that is pushed against: what one load takes at most


class _Processors:
    """Hands out the host's processors to loads that run side by side in this process."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._taken = 0.0

    @contextlib.contextmanager
    def taken(self, wanted: float, host_cpus: int) -> Iterator[None]:
        """Wait until `wanted` of the processors are free; half of one is left to everything else."""
        if not wanted:
            yield
            return
        wanted = min(wanted, host_cpus - SPARE) if host_cpus > 1 else wanted
        with self._changed:
            while self._taken and self._taken + wanted > host_cpus - SPARE:
                self._changed.wait()
            self._taken += wanted
        try:
            yield
        finally:
            with self._changed:
                self._taken -= wanted
                self._changed.notify_all()


_processors = _Processors()


def limits_for(runtime: Runtime) -> Limits:
    """Return the limits that this runtime is measured with: each limit's own amount, or the runtime's least step."""
    return Limits.of(
        {
            limit.name: limit.measured_amount(runtime.limits[limit.name].step or 0)
            for limit in find_limits()
            if limit.name in runtime.limits and (not limit.needs or limit.needs in runtime.limits)
        }
    )


def measure_loads(create: Create, runtime: Runtime, host_cpus: int, **replaced: Any) -> dict[str, Load]:
    """
    Measure every limit that the runtime has, in one sandbox that has them all, but for those that name others.

    When the runtime or the host refuses them together, each is asked for alone: one refusal, or one controller that is
    missing, hides no other limit.

    Args:
        create: makes a sandbox of the target.
        runtime: its limits are asked for.
        host_cpus: processors online on the host.
        replaced: fields of Spec that differ (planted weaknesses).
    """
    wanted = limits_for(runtime)
    together = Limits.of({name: amount for name, amount in wanted.amounts.items() if limit_named(name).beside is None})
    loads: dict[str, Load] = {}
    with contextlib.suppress(RefusedError, CannotLimitError):
        if together.amounts:
            with create(Spec(**{"limits": together, **replaced})) as sandbox:
                for name, amount in together.amounts.items():
                    loads[name] = _try_measure(sandbox, limit_named(name), amount, host_cpus)
    for name in wanted.amounts:
        if name not in loads:
            loads[name] = _measure_alone(create, name, wanted, host_cpus, replaced)
    return loads


def measure_declared(create: Create, host_cpus: int) -> dict[str, Load]:
    """
    Push against the limits that a user's own command line sets, in a further sandbox that it starts.

    Args:
        create: makes a sandbox of the target.
        host_cpus: processors online on the host.

    Returns:
        The load of each limit that the sandbox's cgroup declares; one that is too large to push against is unobserved.
    """
    loads: dict[str, Load] = {}
    with create(Spec()) as sandbox:
        outside = sandbox.outside()
        if outside is None:
            return {}
        for limit in find_limits():
            try:
                amount = limit.declared(outside.limits)
            except UnobservedFact as error:
                loads[limit.name] = unobserved(str(error))
                continue
            if amount is not None and amount > limit.most_pushed(host_cpus):
                most = f"the most that a load is pushed against is {limit.most_pushed(host_cpus):.12g}"
                loads[limit.name] = unobserved(f"declared: {amount:.12g} {limit.unit}; {most}")
            elif amount is not None:
                loads[limit.name] = _try_measure(sandbox, limit, limit.number(amount), host_cpus)
    return loads


def _measure_alone(create: Create, name: str, wanted: Limits, host_cpus: int, replaced: Mapping[str, Any]) -> Load:
    """Measure one limit in a sandbox that has no other ones but those that it needs or names."""
    limit, amount = limit_named(name), wanted.amounts[name]
    kept = {name, limit.needs, *(limit.beside or ())}
    amounts = {one: wanted.amounts[one] for one in wanted.amounts if one in kept}
    try:
        with create(Spec(**{"limits": Limits.of(amounts), **replaced})) as sandbox:
            return _try_measure(sandbox, limit, amount, host_cpus)
    except RefusedError as error:
        return _load(limit=float(amount), refused=error.what, host_cpus=host_cpus)
    except IsolationError as error:
        return unobserved(str(error))


def _try_measure(sandbox: Sandbox, limit: Limit[Any], amount: float, host_cpus: int) -> Load:
    try:
        return _measure(sandbox, limit, amount, host_cpus)
    except IsolationError as error:
        return unobserved(str(error))


def _measure(sandbox: Sandbox, limit: Limit[Any], amount: float, host_cpus: int) -> Load:
    before = _before(sandbox, limit, amount, host_cpus)
    _require_spare(sandbox, limit.load_argv(amount, host_cpus))
    for attempt in range(limit.tries):
        with _processors.taken(limit.processors(amount, host_cpus, attempt), host_cpus):
            reply = _run(sandbox, *limit.again_argv(amount, host_cpus, attempt), longer=window(attempt))
        load = _ended(sandbox, limit, reply, before)
        if not limit.was_disturbed(load):
            break
    if before["shown"] is None or not limit.ways:
        return load
    return load.model_copy(update={"ways": measure_ways(sandbox, limit, amount, host_cpus)})


def _require_spare(sandbox: Sandbox, argv: tuple[str, ...]) -> None:
    """Raise IsolationError if the load could hurt the sandbox's host where the limit does not hold."""
    if why := why_not_pushed(argv, sandbox.spare):
        raise IsolationError(why)


def _before(sandbox: Sandbox, limit: Limit[Any], amount: float, host_cpus: int) -> dict[str, Any]:
    """Return what is known of a load before it runs."""
    outside = sandbox.outside()
    inside = sandbox.inside() if limit.shown_inside or limit.resource else None
    return {
        "limit": float(amount),
        "shown": outside.limits if outside else None,
        "warning": sandbox.warning,
        "inside": _amount_inside(inside, limit.shown_inside) if inside and limit.shown_inside else None,
        **({"visible": visible_in(inside)} if inside and limit.resource else {}),
        "host_cpus": host_cpus,
        "set_by": sandbox.set_by(limit.name, amount),
    }


def _ended(sandbox: Sandbox, limit: Limit[Any], reply: Reply, before: Mapping[str, Any]) -> Load:
    ended = reply.ended.replace("signal 9", "signal SIGKILL")
    known = {**before, "ended": ended, "after": _after(sandbox)}
    return _read(limit, reply.data, before["host_cpus"], {**known, **read_schedule(reply.data + reply.log)})


class RunningLoad:
    """
    A load that a test started in a sandbox of its own.

    Args:
        sandbox: the sandbox.
        limit: the limit that it pushes against.
        amount: the limit's amount.
        pushed: how much it takes at most, in the limit's unit.
        host_cpus: processors online on the host.

    Raises:
        IsolationError: the load takes no amount, it would take more from the host than a test may, or more than the
            host has to spare.
    """

    def __init__(self, sandbox: Sandbox, limit: Limit[Any], amount: float, pushed: float, host_cpus: int) -> None:
        most = limit.most_pushed(host_cpus) * MOST_BEYOND
        if pushed > most:
            shown, at_most = limit.show_amount(pushed), limit.show_amount(limit.number(most))
            raise IsolationError(f"cannot push {shown} of {limit.argument}: a load takes at most {at_most}")
        argv = limit.push_argv(pushed, host_cpus)
        _require_spare(sandbox, argv)
        self._sandbox, self._limit = sandbox, limit
        self._before = _before(sandbox, limit, amount, host_cpus)
        self._pending = sandbox.channel.start(*argv, deadline=deadline("load"), bound=1 << 20)

    def wait(self) -> Load:
        """Wait until it has ended, and return what was measured."""
        return _ended(self._sandbox, self._limit, _reply(self._sandbox, self._pending), self._before)


def read_schedule(output: bytes) -> dict[str, int]:
    """Return how long the load's tasks ran, waited for a processor, and existed; nothing if it did not say so."""
    found = _SCHEDULE.findall(output)
    return dict(zip(("ran_us", "waited_us", "existed_us"), map(int, found[-1]), strict=True)) if found else {}


def _read(limit: Limit[Any], output: bytes, host_cpus: int, known: Mapping[str, Any]) -> Load:
    """Read what a load printed: it comes from the sandbox, which may print any digits."""
    try:
        return _load(**known, **limit.read_load(output, host_cpus))
    except ValidationError as error:
        why = first_fault(error)
    except ValueError as error:  # a number of more than 4300 digits
        why = str(error)
    raise IsolationError(f"cannot read the load of '{limit.name}': {why}")


def _load(**known: Any) -> Load:
    """Build a Load; a field that is not given is unobserved."""
    missing = unobserved("this load does not measure it")
    bounded = {name: value[:MAX_TEXT] if isinstance(value, str) else value for name, value in known.items()}
    fields: dict[str, Any] = dict.fromkeys(Load.model_fields, missing)
    return Load.model_validate({**fields, "warning": "", "refused": "", "set_by": "", "ended": "not run", **bounded})


def _after(sandbox: Sandbox) -> CgroupFiles | None:
    """Read the counters once more; the sandbox's own cgroup may have gone with it."""
    try:
        outside = sandbox.outside()
    except IsolationError as error:
        return unobserved(str(error))
    return outside.limits if outside else None


def _run(sandbox: Sandbox, *argv: str, longer: int = 1) -> Reply:
    return _reply(sandbox, sandbox.channel.start(*argv, deadline=deadline("load") * longer, bound=1 << 20))


def _reply(sandbox: Sandbox, pending: Pending) -> Reply:
    """Wait for the end of a load; that the whole sandbox ends under it is one of its normal ends."""
    try:
        return sandbox.channel.wait(pending)
    except ChannelError:
        return Reply("end of stream", bytes(pending.data), bytes(pending.log))


def _amount_inside(facts: Facts, paths: tuple[str, ...]) -> Any:
    """Return the first of these facts that is a number, else the last as it is: None or unobserved."""
    value: Any = None
    for path in paths:
        value = facts
        for name in path.split("."):
            held = value.root if isinstance(value, FactMap) else value.__dict__ if isinstance(value, Observed) else {}
            value = value if isinstance(value, Unobserved) else held.get(name)
        if isinstance(value, int):
            return float(value)
    return value
