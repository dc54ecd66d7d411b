"""Random configurations: every check gives the verdict that predict.py derives from the config.json.

PYTEST_ISOLATION_GENERATED=10000 sets their number; PYTEST_ISOLATION_SEED=N sets the first seed.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from predict import RULES, predict
from world import World

from provisioner.files.maker import temporary_folder
from provisioner.paths import cache_dir
from pytest_isolation.differential.draw import Drawn, draw_config, shrink
from pytest_isolation.differential.edits import Place
from pytest_isolation.differential.run import Outcome, run_drawn
from pytest_isolation.fixtures import OFF
from pytest_isolation.session.state import STATE, State

COUNT = int(os.environ.get("PYTEST_ISOLATION_GENERATED", "150"))
FIRST = int(os.environ.get("PYTEST_ISOLATION_SEED", "1"))
ENOUGH = 5_000  # configurations in which each check must have been seen both ways often
OFTEN = 50
Wrong = Callable[[Outcome], dict[str, str]]  # checks that say otherwise than predicted, with what was
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
    state = request.config.stash[STATE]
    target = state.targets[column]
    runtime = target.runtime
    private = runtime.name == "crun" and state.hosts.host(target.host).cgroup_mode == "hybrid"
    plain = verdicts_of(run_drawn(state.measurements[column], state.sandboxes, Drawn(0, {}), place))

    def wrong(outcome: Outcome) -> dict[str, str]:
        wanted = predict(World(outcome.config, runtime.name, private), plain)
        seen = verdicts_of(outcome)
        return {check: wanted[check] for check in sorted(seen) if seen[check] != wanted[check]}

    found: list[str] = []
    ways: Counter[tuple[str, str]] = Counter()
    again: Counter[str] = Counter()
    for seed in range(FIRST, FIRST + COUNT):
        drawn = draw_config(seed, place)
        outcome = run_drawn(state.measurements[column], state.sandboxes, drawn, place)
        if (
            "mkdir" in outcome.refused
        ):  # in the root folder that sandboxes share the host's root makes the targets first
            choices = {name: choice for name, choice in drawn.chosen.items() if name != "user namespace"}
            run_drawn(state.measurements[column], state.sandboxes, Drawn(seed, choices), place)
            outcome = run_drawn(state.measurements[column], state.sandboxes, drawn, place)
        if outcome.refused:
            found.append(f"{drawn}\n    refused: {outcome.refused}")
            continue
        ways.update((check, verdict) for check, (verdict, _) in outcome.verdicts.items())
        for check in wrong(outcome):
            again[check] += 1
            if again[check] == 1:  # one of a kind is made small: it takes dozens of sandboxes
                found.append(_explain(state, column, place, drawn, check, wrong, tmp_path))
                print(f"{column}: {found[-1]}", flush=True)
        if (done := seed - FIRST + 1) % 250 == 0:
            print(f"{column}: {done} of {COUNT} configurations, {sum(again.values())} disagreements", flush=True)
    print(f"{column}: {COUNT} configurations, {sum(again.values())} disagreements: {dict(again)}")
    for check in RULES:
        seen = [f"{verdict} {ways[name, verdict]}" for name, verdict in ways if name == check]
        print(f"    {check}: {', '.join(seen)}")

    assert not found, "\n".join(found[:20])
    if COUNT >= ENOUGH:
        often = Counter(check for (check, _), count in ways.items() if count >= OFTEN)
        never = {"mnt.propagation"} if private else set()  # there no mount of the host's is shared
        assert [check for check in RULES if often[check] < 2 and check not in never] == []


def verdicts_of(outcome: Outcome) -> dict[str, str]:
    """Return the verdicts without their reasons."""
    return {check: verdict for check, (verdict, _) in outcome.verdicts.items()}


def _explain(state: State, column: str, place: Place, drawn: Drawn, check: str, wrong: Wrong, folder: Path) -> str:
    """Return the disagreement, with the smallest configuration that shows it, which is kept as config.json."""

    def still(smaller: Drawn) -> bool:
        outcome = run_drawn(state.measurements[column], state.sandboxes, smaller, place)
        return not outcome.refused and check in wrong(outcome)

    smallest = shrink(drawn, still)
    outcome = run_drawn(state.measurements[column], state.sandboxes, smallest, place)
    (folder / f"{check}.json").write_text(json.dumps(outcome.config, indent=1))
    verdict, reason = outcome.verdicts[check]
    wanted = wrong(outcome).get(check, "what it says now")
    said = f"{check} says {verdict} ({reason}), predicted was {wanted}"
    return f"{said}; {smallest} (drawn: {drawn})\n    {folder}/{check}.json"
