"""A remedy, applied word by word to the plant that it is shown for, makes the check hold.

Runs with `--isolation`, on the session's own targets; cures.py names the plants.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from cures import CURED, edits_after, flags_after
from fitting import described
from ground import Ground
from plant import Plant, named
from planting import try_plant
from plants import PLANTS

from pytest_isolation.fixtures import OFF
from pytest_isolation.policy.remedies import remedy_for
from pytest_isolation.policy.verdict import Verdict
from pytest_isolation.session.state import STATE, State

NONE = "no plant with a remedy to apply is for the runtimes of this session"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Pair each of the session's targets with the plants that have a remedy to apply."""
    if "column" not in metafunc.fixturenames:
        return
    state = metafunc.config.stash.get(STATE, None)
    runtimes = {} if state is None else {name: named(target.runtime) for name, target in state.targets.items()}
    found = [
        pytest.param(name, find(runtime, plant), check, id=f"{name}: {plant}: {check}")
        for name, runtime in runtimes.items()
        for plant, check in CURED.get(runtime, {}).items()
    ]
    off = pytest.param("", None, "", id="off", marks=pytest.mark.skip(reason=OFF if state is None else NONE))
    metafunc.parametrize(("column", "plant", "check"), found or [off])


def find(runtime: str, name: str) -> Plant:
    """Return a plant by its runtime and name."""
    return next(plant for plant in PLANTS if runtime in plant.runtimes and plant.name == name)


def cured(plant: Plant, remedy: str) -> Plant:
    """Return the plant with its remedy applied; what ends its sandbox is not measured."""
    make = plant.spec

    def spec(ground: Ground) -> Mapping[str, Any]:
        words = dict(make(ground) if callable(make) else make)
        if "edits" in words or ground.runtime.prepare:
            return {**words, "edits": (*words.get("edits", ()), *edits_after(remedy))}
        return {**words, "flags": flags_after(words.get("flags", ()), remedy)}

    return replace(plant, spec=spec, ends=False)


def test_a_remedy_makes_the_check_hold(request: pytest.FixtureRequest, column: str, plant: Plant, check: str) -> None:
    state: State = request.config.stash[STATE]
    target = state.targets[column]
    measurements = state.measurements[column]
    verdict, reason = try_plant(measurements, state.sandboxes, replace(plant, ends=False)).after[check]
    conditions = measurements.record.target.conditions
    remedy = remedy_for(described()[check], target.runtime.name, verdict, reason, conditions)

    after = try_plant(measurements, state.sandboxes, cured(plant, remedy)).after[check]

    assert verdict is Verdict.OPEN, reason
    assert after[0] in (Verdict.HOLDS, Verdict.NOT_APPLICABLE), (after, remedy)


@pytest.mark.parametrize(
    ("flags", "remedy", "left"),
    [
        (("--cap-drop", "NET_RAW", "--cap-add", "SYS_ADMIN"), "drop --privileged and --cap-add=SYS_ADMIN; or x",
         ("--cap-drop=NET_RAW",)),
        ((), "--cap-drop=NET_RAW", ("--cap-drop=NET_RAW",)),
        (("--security-opt", "seccomp=unconfined"), "drop --privileged and --security-opt seccomp=unconfined", ()),
        (("--group-add", "6"), "drop --group-add", ()),
        (("-v", "/etc:/x:ro"), "drop -v and --mount of the path named; -v NAME:/data, a volume, instead", ()),
        ((), "--user=1000:1000, or USER 1000 in the Dockerfile", ("--user=1000:1000",)),
        (("--capability=CAP_SYS_RAWIO",), "drop --capability=; --drop-capability= what it needs not", ()),
        (("--bind-ro=/etc:/usr",), "drop --bind= and --bind-ro= of the path named; --bind= of a folder", ()),
    ],
)  # fmt: skip
def test_flags_after_a_remedy(flags: tuple[str, ...], remedy: str, left: tuple[str, ...]) -> None:
    assert flags_after(flags, remedy) == left


def test_every_plant_to_cure_is_there() -> None:
    assert all(check in find(runtime, name).opens for runtime, by in CURED.items() for name, check in by.items())
