"""Makes the sandbox of a random configuration, observes it, and returns each check's verdict.

In: a target with a runtime that reads config.json, a `Drawn`.  Out: `Outcome`.
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
from pytest_isolation.observe.measurements import Measurements
from pytest_isolation.observe.sandboxes import SandboxCache
from pytest_isolation.observe.views import observe_sandbox
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

    try:
        host, spec = sandboxes.hosts.host(target.host), Spec(edits=(*drawn.edits(place), keep))
        with Sandbox(host, target.runtime, spec) as sandbox:
            record = observe_sandbox(target, sandbox, sandboxes.live(target, "peer"))
    except RefusedError as error:
        return Outcome(refused=error.what, config=config)
    return Outcome(judge_all(record, measurements.record), config=config)


def judge_all(record: Record, stock: Record) -> dict[str, tuple[str, str]]:
    """Return the verdict of every check over facts; limits and reach come from the stock sandbox's record."""
    others = ("loads", "reaches", "residue", "survivors", "shared_file")
    measured = record.model_copy(update={name: stock.raw(name) for name in others})
    return {name: (str(verdict), reason) for name, (verdict, reason) in judge_record(measured).items()}
