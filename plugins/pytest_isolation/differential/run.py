"""Makes the sandbox of a random configuration, observes it, and returns each check's verdict.

In: a pool, a target with a runtime that reads config.json, a `Drawn`.  Out: `Outcome`.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import Any

from provisioner.errors import IsolationError
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import RefusedError, Spec
from pytest_isolation.differential.draw import Drawn
from pytest_isolation.differential.edits import Place
from pytest_isolation.judge.judge import judge_record
from pytest_isolation.observe.observe import observe
from pytest_isolation.observe.pool import Pool
from pytest_isolation.records.record import Record


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


def run_drawn(pool: Pool, target_id: str, drawn: Drawn, place: Place) -> Outcome:
    """
    Make the sandbox of one configuration and judge it; limits come from the target's stock sandbox.

    Args:
        pool: has the target's host and its records.
        target_id: the target.
        drawn: the configuration.
        place: what of the host it may name.

    Raises:
        IsolationError: the sandbox was made and does not answer.
    """
    target = pool.targets[target_id]
    if target.runtime.prepare is None:
        raise IsolationError(f"cannot run a configuration in '{target_id}': its runtime reads no config.json")
    config: dict[str, Any] = {}

    def keep(document: dict[str, Any]) -> None:
        config.update(copy.deepcopy(document))

    try:
        with Sandbox(pool.host_of(target_id), target.runtime, Spec(edits=(*drawn.edits(place), keep))) as sandbox:
            record = observe(target, sandbox, pool.sandbox(target_id, peer=True))
    except RefusedError as error:
        return Outcome(refused=error.what, config=config)
    return Outcome(judge_all(record, pool.records[target_id]), config=config)


def judge_all(record: Record, stock: Record) -> dict[str, tuple[str, str]]:
    """Return the verdict of every check over facts; limits and reach come from the stock sandbox's record."""
    others = ("loads", "reaches", "residue", "survivors", "shared_file")
    measured = record.model_copy(update={name: stock.raw(name) for name in others})
    return {name: (str(verdict), reason) for name, (verdict, reason) in judge_record(measured).items()}
