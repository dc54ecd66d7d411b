"""What the controller and the workers of pytest-xdist tell each other.

In: a `State`.
Out: plain JSON values.  The controller observes all targets and sends their records; a worker judges them, measures
what its tests ask for, and sends that back.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_isolation.observe.measurements import Measurements
    from pytest_isolation.observe.sandboxes import SandboxCache
    from pytest_isolation.session.state import State
    from pytest_isolation.targets.target import Target


def worker_input(state: State) -> list[dict[str, str]]:
    """Return what a worker needs to know of each target."""
    from pytest_isolation.records.record import dump_record

    return [
        {
            "target": one.target.id,
            "host": one.target.host,
            "command": one.target.command,
            "record": dump_record(one.record).decode(),
        }
        for one in state.measurements.values()
    ]


def read_targets(workerinput: list[dict[str, str]]) -> list[Target]:
    """Return the targets of a controller; in a worker."""
    from pytest_isolation.targets.select import named_target

    return [named_target(one["target"], one["host"], one["command"]) for one in workerinput]


def read_measurements(
    workerinput: list[dict[str, str]], targets: Mapping[str, Target], sandboxes: SandboxCache
) -> dict[str, Measurements]:
    """
    Return what a controller knew of each target, by id; in a worker.

    Args:
        workerinput: what the controller sent.
        targets: its targets by id.
        sandboxes: of this worker.
    """
    from pytest_isolation.observe.measurements import Measurements
    from pytest_isolation.records.read import parse_record

    return {
        one["target"]: Measurements(
            targets[one["target"]], parse_record(one["record"].encode(), one["target"]), sandboxes
        )
        for one in workerinput
    }


def worker_output(state: State) -> dict[str, str]:
    """Return what a worker measured of each target, as JSON by id."""
    return {name: one.measured().model_dump_json(by_alias=True) for name, one in state.measurements.items()}


def merge_worker(state: State, output: Mapping[str, str]) -> None:
    """Add what a worker measured to the controller's measurements."""
    from pytest_isolation.observe.measurements import Measured

    for name, text in output.items():
        state.measurements[name].add(Measured.model_validate_json(text))
