"""Random configurations: every check gives the verdict that `predict` derives from the config.json.

The environment variables of compare.py set how many.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest
from compare import ENOUGH, MADE, SANDBOX, Subject, compare, count_of, verdicts_of
from predict import RULES, predict
from predict.rules import HOLDS
from world import World

from provisioner.files.maker import temporary_folder
from provisioner.paths import cache_dir
from pytest_isolation.differential.draw import Drawn, draw_config
from pytest_isolation.differential.edits import Place
from pytest_isolation.differential.run import Outcome, run_drawn
from pytest_isolation.fixtures import OFF
from pytest_isolation.session.state import STATE, State

COUNT = count_of(150)
NONE = "no runtime of this session reads a config.json"


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run on each of the session's targets with a runtime that reads config.json."""
    if "column" not in metafunc.fixturenames:
        return
    state = metafunc.config.stash.get(STATE, None)
    targets = {} if state is None else state.targets
    found = [name for name, target in targets.items() if target.runtime.prepare is not None]
    off = pytest.param("", id="off", marks=pytest.mark.skip(reason=OFF if state is None else NONE))
    metafunc.parametrize("column", found or [off])


@pytest.fixture
def place() -> Iterator[Place]:
    """A folder of the test, and a shared mount of the test unless the folder's own mount is shared."""
    with temporary_folder(cache_dir()) as folder, ExitStack() as undo:
        folder.chmod(0o755)
        innocent, other, shared = folder / "innocent", folder / "other", folder / "shared"
        for one in (innocent, other, shared):
            one.mkdir()
        (innocent / "file").touch()
        spreads = "shared" in run("findmnt", "--noheadings", "--output", "PROPAGATION", "--target", str(folder))
        if not spreads:
            run("mount", "--bind", str(shared), str(shared))
            undo.callback(run, "umount", str(shared))
            run("mount", "--make-shared", str(shared))
        yield Place(innocent, other, None if spreads else shared)


def run(*argv: str) -> str:
    """Run a command that must succeed; returns what it printed."""
    return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=300).stdout


def test_every_check_says_what_the_configuration_makes_of_it(
    request: pytest.FixtureRequest, column: str, place: Place, tmp_path: Path
) -> None:
    subject, private = subject_of(request.config.stash[STATE], column, place)

    total = compare(subject, COUNT, tmp_path)

    print(f"{column}: {total.summary()}\n{total.table(RULES)}")
    assert not total.wrong, "\n".join(total.texts.values())
    if COUNT >= ENOUGH:
        never = {"mgmt.kubelet", "mgmt.runtime_tcp"}  # opened by what listens on the host
        never |= {"mnt.propagation"} if private else set()  # there no mount of the host's is shared
        # what this kernel lacks, or what every configuration shows, never holds
        never |= {check for check in RULES if not total.ways[check, HOLDS]}
        assert set(total.one_sided(RULES)) <= never


def subject_of(state: State, column: str, place: Place) -> tuple[Subject, bool]:
    """Return how a column is drawn, made and predicted, and whether its mounts propagate nowhere."""
    target, measurements = state.targets[column], state.measurements[column]
    runtime = target.runtime.name
    private = runtime == "crun" and state.hosts.host(target.host).cgroup_mode == "hybrid"

    def make(drawn: Drawn) -> Outcome:
        outcome = run_drawn(measurements, state.sandboxes, drawn, place)
        if "mkdir" in outcome.refused:  # in the root folder that sandboxes share the host's root makes targets first
            others = {name: choice for name, choice in drawn.chosen.items() if name != "user namespace"}
            run_drawn(measurements, state.sandboxes, replace(drawn, chosen=others), place)
            outcome = run_drawn(measurements, state.sandboxes, drawn, place)
        return outcome

    stock = verdicts_of(make(Drawn(0, {})))

    def wanted(drawn: Drawn, outcome: Outcome) -> dict[str, str]:
        return {SANDBOX: MADE} if outcome.refused else predict(World(outcome.config, runtime, private), stock)

    def keep(drawn: Drawn, outcome: Outcome, folder: Path, name: str) -> str:
        file = folder / f"{name}.json"
        file.write_text(json.dumps(outcome.config, indent=1))
        return str(file)

    return Subject(column, lambda seed: draw_config(seed, place), make, wanted, keep), private
