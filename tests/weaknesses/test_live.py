"""A sandbox that lacks one wall, made for real: its check turns red and names the cause, and no other check moves.

Runs with `--isolation`, on the session's own targets; each plant is for the runtimes that can express it.
PYTEST_ISOLATION_PLANTS chooses them (chosen.py).
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from chosen import choose
from filelock import FileLock
from plant import Plant, named
from planting import try_plant
from plants import PLANTS, rootless

from provisioner.sandboxes.spec import RefusedError
from pytest_isolation.fixtures import OFF
from pytest_isolation.options import LOCAL
from pytest_isolation.policy.verdict import Verdict
from pytest_isolation.policy.versions import in_range
from pytest_isolation.session.state import STATE, State

NONE = "no plant is for the runtimes of this session"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Pair each of the session's targets with the plants of its runtime."""
    state = metafunc.config.stash.get(STATE, None)
    found = [
        pytest.param(name, plant, id=f"{name}: {plant.name}")
        for here in (True, False)
        for name, plants in (_plants(state, here) if state else {}).items()
        for plant in plants
    ]
    off = pytest.param("", None, id="off", marks=pytest.mark.skip(reason=OFF if state is None else NONE))
    metafunc.parametrize(("column", "plant"), found or [off])


def _plants(state: State, here: bool) -> dict[str, list[Plant]]:
    """Return the plants to try in each target on this machine, or on machines."""
    runtimes = {name: named(one.runtime) for name, one in state.targets.items() if (one.host == LOCAL) == here}
    found = {
        runtime: [
            plant for plant in PLANTS if runtime in plant.runtimes and _is_for(plant, here, _version(state, name))
        ]
        for name, runtime in runtimes.items()
    }
    chosen = choose(found, here, os.environ.get("PYTEST_ISOLATION_PLANTS", "all"))
    return {name: chosen[runtime] for name, runtime in runtimes.items()}


def _version(state: State, name: str) -> str:
    """Return the version of a target's runtime; "" if it was not observed."""
    measured = state.measurements.get(name)
    return (measured.record.target.conditions.version if measured else None) or ""


def _is_for(plant: Plant, here: bool, version: str) -> bool:
    if plant.version and version and not in_range(version, plant.version):
        return False
    if not here:
        return plant.where != "here"
    # `os.access` and not `Path.exists`, which raises for a user who may not look into the folder.
    there = plant.when and (not plant.needs or os.access(plant.needs, os.F_OK))
    return plant.where != "machine" and there and _is_for_user(plant)


def _is_for_user(plant: Plant) -> bool:
    if os.geteuid() == 0 or "podman" not in plant.runtimes:
        return plant.user == "root"
    return plant.user == "other" or plant.name in rootless.SAME


@pytest.fixture
def state(request: pytest.FixtureRequest) -> State:
    """The session's state: its targets and their sandboxes."""
    return request.config.stash[STATE]


def test_a_plant_moves_its_own_checks_and_no_other(
    state: State, column: str, plant: Plant, record_property: Callable[[str, object], None]
) -> None:
    started = time.monotonic()
    try:
        outcome = try_plant(state.measurements[column], state.sandboxes, plant)
    except RefusedError as error:
        if plant.mended_by and error.what:
            pytest.skip(f"{plant.mended_by}: {error.what}")
        raise
    record_property("confusion", f"{column}: {plant.name}: {outcome.row}")
    record_property("rates", outcome.rates)

    assert outcome.expected == outcome.moved, outcome.why
    opens = plant.opens_on(state.targets[column].host == LOCAL)
    note_seen(state, column, plant, time.monotonic() - started)
    for check, fragment in opens.items():
        assert outcome.before[check][0] in (Verdict.HOLDS, Verdict.NOT_APPLICABLE)
        if outcome.confined:
            fragment = plant.confined.get(check, fragment)
        assert fragment in outcome.after[check][1]


def note_seen(state: State, column: str, plant: Plant, seconds: float) -> None:
    """Write which checks the plant opened here, and how long it took, to the file PYTEST_ISOLATION_SEEN."""
    if not (file := os.environ.get("PYTEST_ISOLATION_SEEN")):
        return
    path = Path(file)
    target = state.targets[column]
    here = target.host == LOCAL
    with FileLock(f"{path}.lock", timeout=300):
        seen = json.loads(path.read_text()) if path.exists() else {"checks": {}, "seconds": {}}
        version = state.measurements[column].record.target.conditions.version or ""
        for check in plant.opens_on(here):
            seen["checks"].setdefault(check, {})[column] = f"{version} on {state.policy.today}".strip()
        if here and os.geteuid() == 0:
            seen["seconds"].setdefault(named(target.runtime), {})[plant.name] = round(seconds, 1)
        path.write_text(json.dumps(seen, sort_keys=True))
