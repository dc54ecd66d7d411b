"""Makes the sandbox of a random configuration, observes it, and returns each check's verdict.

In: a target with a runtime that reads config.json, a `Drawn`.  Out: `Outcome`.
Most of a configuration's time is spent in other processes, so several are made at once: `side_by_side`.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Any, TypeVar

from provisioner.errors import IsolationError
from provisioner.facts.document import Facts
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import RefusedError, Spec
from pytest_isolation.differential.draw import Drawn
from pytest_isolation.differential.edits import Place
from pytest_isolation.judge.judge import judge_record
from pytest_isolation.observe.measurements import Measurements
from pytest_isolation.observe.sandboxes import SandboxCache
from pytest_isolation.observe.views import observe_sandbox
from pytest_isolation.records.record import Record

AT_ONCE = 4  # configurations: twice the processors of a small host, for half of the time is waiting
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Outcome:
    """
    The result of one configuration.

    Attributes:
        verdicts: check id to verdict and reason; empty if the runtime refused to make the sandbox.
        refused: the runtime's message then.
        config: the config.json that it got.
    """

    verdicts: dict[str, tuple[str, str]] = field(default_factory=dict)
    refused: str = ""
    config: dict[str, Any] = field(default_factory=dict)


def run_drawn(measurements: Measurements, sandboxes: SandboxCache, drawn: Drawn, place: Place) -> Outcome:
    """
    Make the sandbox of one configuration and judge it; limits come from the target's stock sandbox.

    Args:
        measurements: what is known of the target; its runtime reads config.json.
        sandboxes: has the target's host and its peer.
        drawn: the configuration.
        place: what of the host it may name.

    Raises:
        IsolationError: the sandbox was made and does not answer.
    """
    target = measurements.target
    if target.runtime.prepare is None:
        raise IsolationError(f"cannot run a configuration in '{target.id}': its runtime reads no config.json")
    config: dict[str, Any] = {}

    def keep(document: dict[str, Any]) -> None:
        config.update(copy.deepcopy(document))

    outcome = run_spec(measurements, sandboxes, Spec(edits=(*drawn.edits(place), keep)))
    return replace(outcome, config=config)


def run_spec(measurements: Measurements, sandboxes: SandboxCache, spec: Spec) -> Outcome:
    """
    Make a sandbox and judge it; limits come from the target's stock sandbox.

    Args:
        measurements: what is known of the target.
        sandboxes: has the target's host and its peer.
        spec: what is asked of the sandbox.

    Raises:
        IsolationError: the sandbox was made and does not answer.
    """
    target = measurements.target
    try:
        with sandboxes.make(target, spec) as sandbox:
            record = observe_sandbox(target, sandbox, _remembered(sandboxes.live(target, "peer")))
    except RefusedError as error:
        return Outcome(refused=error.what)
    return Outcome(judge_all(record, measurements.record))


def judge_all(record: Record, stock: Record) -> dict[str, tuple[str, str]]:
    """Return the verdict of every check over facts; limits and reach come from the stock sandbox's record."""
    others = ("loads", "reaches", "residue", "survivors", "shared_file")
    measured = record.model_copy(update={name: stock.raw(name) for name in others})
    return {name: (str(verdict), reason) for name, (verdict, reason) in judge_record(measured).items()}


def side_by_side(
    work: Callable[[Item], Result], items: Iterable[Item], at_once: int = AT_ONCE
) -> Iterator[tuple[Item, Result]]:
    """
    Yield each item with its result, in the items' order; several are worked on at once.

    Args:
        work: makes the result of one item; runs in a thread.
        items: the items.
        at_once: the number of threads; as many results wait at most.
    """
    with ThreadPoolExecutor(at_once, thread_name_prefix="isolation-drawn") as threads:
        started: deque[tuple[Item, Future[Result]]] = deque()
        try:
            for item in items:
                started.append((item, threads.submit(work, item)))
                if len(started) > at_once:
                    first, result = started.popleft()
                    yield first, result.result()
            for first, result in started:
                yield first, result.result()
        finally:
            threads.shutdown(wait=True, cancel_futures=True)


class _Remembered:
    """A peer that is observed once: nothing is done to it."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox

    def inside(self) -> Facts:
        return self._inside

    def outside(self) -> Facts | None:
        return self._outside

    @cached_property
    def _inside(self) -> Facts:
        return self._sandbox.inside()

    @cached_property
    def _outside(self) -> Facts | None:
        return self._sandbox.outside()


@lru_cache(maxsize=8)
def _remembered(sandbox: Sandbox) -> _Remembered:
    return _Remembered(sandbox)
