"""Runs the same random configurations in two runtimes and finds where their walls differ.

In: two runtimes' names, seeds.  Out: `Difference`s, each shrunk to the smallest configuration that shows it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import IsolationError
from provisioner.journal.needs import Needs
from pytest_isolation.differential.draw import Drawn, draw_config, shrink
from pytest_isolation.differential.edits import Place
from pytest_isolation.differential.run import Outcome, run_drawn, side_by_side
from pytest_isolation.observe.gather import gather
from pytest_isolation.observe.hosts import Hosts
from pytest_isolation.observe.measurements import Measurements
from pytest_isolation.observe.sandboxes import SandboxCache
from pytest_isolation.options import RunOptions
from pytest_isolation.targets.select import select_targets
from pytest_isolation.targets.target import Target

REFUSED = "refused by the runtime"


@dataclass(frozen=True)
class Difference:
    """
    One check with different verdicts in two runtimes.

    Attributes:
        check: its id; "" if one of them refused to make the sandbox.
        results: verdict and reason in each runtime, in the runtimes' order.
        drawn: the smallest configuration found that shows it.
        config: its config.json, as the first runtime got it.
    """

    check: str
    results: tuple[str, ...]
    drawn: Drawn
    config: dict[str, Any]


@dataclass(frozen=True)
class Pair:
    """Two targets, and the folders that configurations may name."""

    sandboxes: SandboxCache
    targets: tuple[Measurements, Measurements]
    place: Place

    def run(self, drawn: Drawn) -> tuple[Outcome, ...]:
        """Run one configuration in both runtimes."""
        return tuple(run_drawn(target, self.sandboxes, drawn, self.place) for target in self.targets)


@contextlib.contextmanager
def opened_pair(runtimes: Sequence[str], folder: Path) -> Iterator[Pair]:
    """
    Prepare two runtimes on this host, and close them at the end.

    Args:
        runtimes: their names.
        folder: an empty folder, which configurations bind.

    Raises:
        IsolationError: one is unknown, not installed, does not start, or reads no config.json.
    """
    targets = _targets(runtimes)
    programs = frozenset(name for target in targets for name in target.runtime.programs)
    sandboxes = SandboxCache(Hosts(needs=Needs(programs)))
    try:
        gathered = gather(targets, sandboxes)
        for failure in gathered.failures:
            raise IsolationError(f"cannot compare '{failure.target.id}': {failure.error.what}", failure.error.hint)
        first, second = gathered.observed
        innocent, other = folder / "innocent", folder / "other"
        for one in (innocent, other):
            one.mkdir()
        (innocent / "file").touch()
        yield Pair(sandboxes, (first, second), Place(innocent, other))
    finally:
        sandboxes.close()


def find_differences(pair: Pair, seeds: Iterable[int]) -> Iterator[tuple[int, list[Difference]]]:
    """Yield the differences for each seed, without those of the stock configuration."""
    stock = _differing(pair.run(Drawn(0, {})))
    known: set[str] = set(stock)
    for drawn, made in side_by_side(pair.run, (draw_config(seed, pair.place) for seed in seeds)):
        found = []
        for check in _differing(made).keys() - known:
            smallest = shrink(drawn, lambda one, check=check: check in _differing(pair.run(one)))  # type: ignore[misc]
            outcomes = pair.run(smallest)
            results = _differing(outcomes).get(check)
            if results is not None:
                found.append(Difference(check, results, smallest, outcomes[0].config))
                known.add(check)
        yield drawn.seed, found


def _differing(outcomes: Sequence[Outcome]) -> dict[str, tuple[str, ...]]:
    """Return both verdicts of every check that differs; a refusal has the check ""."""
    if any(one.refused for one in outcomes):
        results = tuple(f"{REFUSED}: {one.refused}" if one.refused else "made" for one in outcomes)
        return {} if all(one.refused for one in outcomes) else {"": results}
    first, second = outcomes
    return {
        check: tuple(" ".join(part for part in one.verdicts[check] if part) for one in outcomes)
        for check in sorted(first.verdicts.keys() & second.verdicts.keys())
        if first.verdicts[check][0] != second.verdicts[check][0]
    }


def _targets(runtimes: Sequence[str]) -> list[Target]:
    asked = RunOptions(kinds=("container",), runtimes=tuple(runtimes), required=tuple(runtimes))
    try:
        targets, _ = select_targets(asked)
    except pytest.UsageError as error:
        raise IsolationError(str(error)) from None
    for target in targets:
        if target.runtime.prepare is None:
            raise IsolationError(
                f"cannot run a drawn configuration in '{target.id}': it reads no config.json",
                "name two of: runc, crun",
            )
    return targets
