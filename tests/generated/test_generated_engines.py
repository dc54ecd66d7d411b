"""Random flags of `docker run` and `podman run`: every check gives the verdict that the flags' documentation promises.

The environment variables of compare.py set how many: a tenth of PYTEST_ISOLATION_GENERATED in each engine.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from compare import REFUSED, SANDBOX, Subject, compare, count_of, verdicts_of
from engines.command import arguments
from engines.documented import CAPABILITIES, documented
from engines.draw import draw_flags
from engines.refusals import refused
from engines.rules import RULES
from predict import predict
from world import World

from provisioner.files.maker import temporary_folder
from provisioner.paths import cache_dir
from provisioner.sandboxes.spec import Spec
from pytest_isolation.differential.draw import Drawn
from pytest_isolation.differential.edits import Place
from pytest_isolation.differential.run import Outcome, run_spec
from pytest_isolation.fixtures import OFF
from pytest_isolation.session.state import STATE, State

COUNT = count_of(15, divisor=10)
BLOCK = 50
NONE = "no docker or podman in this session"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run on each of the session's targets of an engine."""
    state = metafunc.config.stash.get(STATE, None)
    targets = {} if state is None else state.targets
    found = [name for name, target in targets.items() if engine_of(target.runtime.name)]
    off = pytest.param("", id="off", marks=pytest.mark.skip(reason=OFF if state is None else NONE))
    metafunc.parametrize("column", found or [off])


def engine_of(runtime: str) -> str:
    """Return the engine of a runtime: "podman" of "podman+runc"; "" if it is none."""
    name = runtime.partition("+")[0]
    return name if name in CAPABILITIES else ""


@pytest.fixture
def place() -> Iterator[Place]:
    with temporary_folder(cache_dir()) as folder:
        folder.chmod(0o755)
        innocent, other = folder / "innocent", folder / "other"
        for one in (innocent, other):
            one.mkdir()
        (innocent / "file").touch()
        yield Place(innocent, other)


def test_every_check_says_what_the_flags_make_of_it(
    request: pytest.FixtureRequest, column: str, place: Place, tmp_path: Path
) -> None:
    total = compare(subject_of(request.config.stash[STATE], column, place), COUNT, tmp_path, BLOCK)

    print(f"{column}: {total.summary()}\n{total.table([SANDBOX, *RULES])}")
    assert not total.wrong, "\n".join(total.texts.values())


def subject_of(state: State, column: str, place: Place) -> Subject:
    """Return how a column is drawn, made and predicted."""
    target, measurements = state.targets[column], state.measurements[column]
    engine = engine_of(target.runtime.name)

    def flags(drawn: Drawn) -> tuple[str, ...]:
        return arguments(drawn.chosen, place, place.other)

    def make(drawn: Drawn) -> Outcome:
        spec = Spec(flags=flags(drawn), network=drawn.chosen.get("network", "none"))
        return run_spec(measurements, state.sandboxes, spec)

    stock = verdicts_of(make(Drawn(0, {})))

    def wanted(drawn: Drawn, outcome: Outcome) -> dict[str, str]:
        if refused(drawn.chosen, engine):
            return {SANDBOX: REFUSED}
        world = World(documented(drawn.chosen, engine, place), engine, False, CAPABILITIES[engine])
        return predict(world, stock, RULES)

    def keep(drawn: Drawn, outcome: Outcome, folder: Path, name: str) -> str:
        return f"{engine} run {shlex.join(flags(drawn))}"

    return Subject(column, draw_flags, make, wanted, keep)
