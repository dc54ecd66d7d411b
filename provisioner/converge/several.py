"""Brings several machines to what their roles want, side by side; what fails on one does not stop the others.

In: a `Job` for each machine.  Out: an `Outcome` for each, in the same order.  Called by cli.py and machines/.  Each
machine has a thread of its own, which mostly waits; progress names the machine in every line.
"""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from provisioner.connection.local import Connection
from provisioner.converge.apply import Applied, converge
from provisioner.converge.role import Role
from provisioner.converge.templates import Scalar
from provisioner.errors import IsolationError
from provisioner.progress import step

AT_ONCE = 16


@dataclass(frozen=True)
class Job:
    """A machine and what it is brought to."""

    connection: Connection
    roles: Sequence[Role]
    variables: Mapping[str, Scalar] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What became of one machine: either `applied` or `error`."""

    machine: str
    applied: Applied | None = None
    error: IsolationError | None = None


def converge_all(jobs: Sequence[Job], at_once: int = AT_ONCE) -> list[Outcome]:
    """
    Converge machines side by side.

    Args:
        jobs: one for each machine.
        at_once: how many at the same time, at most.

    Returns:
        An outcome for each job, in their order; IsolationErrors stand in it and are not raised.

    Example:
        >>> [outcome.machine for outcome in converge_all(jobs) if outcome.error]
        ['debian12-v1']
    """
    outcomes: list[Outcome | BaseException] = [Outcome(job.connection.name) for job in jobs]
    turns = threading.BoundedSemaphore(at_once)

    def work(at: int, job: Job) -> None:
        with turns:
            try:
                outcomes[at] = _converge_one(job)
            except BaseException as error:  # a fault of this program: raised below, when the others have ended
                outcomes[at] = error

    with step(f"converge {len(jobs)} machines"):
        # daemons: whoever interrupts this is not kept waiting; a machine then ends the step that it is at, and no more
        threads = [
            threading.Thread(target=contextvars.copy_context().run, args=(work, at, job), daemon=True)
            for at, job in enumerate(jobs)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return [_expect_outcome(outcome) for outcome in outcomes]


def _converge_one(job: Job) -> Outcome:
    name = job.connection.name
    try:
        return Outcome(name, applied=converge(job.connection, job.roles, job.variables))
    except IsolationError as error:
        return Outcome(name, error=error)


def _expect_outcome(outcome: Outcome | BaseException) -> Outcome:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
