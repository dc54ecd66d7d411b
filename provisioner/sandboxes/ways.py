"""Takes what a limit bounds in further ways: by grandchildren, shared memory, pipes, sockets, threads.

In: a sandbox that keeps the limit.  Out: a `Way` for each.  Each takes at most a quarter more memory than the limit, or
twice as many tasks, and ends within seconds.
"""

from __future__ import annotations

import re
from typing import Any

from pydantic import ValidationError

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.limits.limit import Limit
from provisioner.limits.measured import Way, Ways
from provisioner.observed import first_fault, unobserved
from provisioner.sandboxes.sandbox import Sandbox

MOST = 4  # times the amount that sandboxes are measured with: a larger one is pushed in one way only
_OUTPUT = re.compile(rb"held (\d{1,20}) reached (\d{1,20}) killed (\d{1,20}) errno (\w{1,32})\n")


def measure_ways(sandbox: Sandbox, limit: Limit[Any], amount: float, host_cpus: int) -> Ways:
    """
    Try the further ways of a limit, one after the other.

    Args:
        sandbox: a sandbox that keeps the limit.
        limit: the limit.
        amount: the limit's amount.
        host_cpus: processors online on the host.
    """
    if not limit.ways:
        return unobserved("this limit has no further way")
    if why := why_not_tried(limit, amount):
        return unobserved(why)
    most = limit.load_argv(amount, host_cpus)[-1]
    return Ways({name: _try_way(sandbox, name, most) for name in limit.ways})


def why_not_tried(limit: Limit[Any], amount: float) -> str | None:
    """
    Return why no further way of a limit is tried, or None: each would take more from the host than a test may.

    Args:
        limit: the limit.
        amount: the limit's amount.
    """
    if amount <= MOST * limit.amount:
        return None
    shown, most = limit.show_amount(amount), limit.show_amount(MOST * limit.amount)
    return f"its limit of {shown} is pushed in one way only: {', '.join(limit.ways)} are tried up to a limit of {most}"


def _try_way(sandbox: Sandbox, name: str, most: str) -> Any:
    try:
        reply = sandbox.request("load", "way", name, most, seconds=deadline("load"))
    except IsolationError as error:
        return unobserved(str(error))
    found = _OUTPUT.fullmatch(reply.data)
    if found is None:
        return unobserved(f"it ended by '{reply.ended}' and said nothing")
    held, reached, killed = map(int, found.groups()[:3])
    try:
        return Way(held=held, reached=reached, killed=killed, error=found[4].decode())
    except ValidationError as fault:
        return unobserved(first_fault(fault))
