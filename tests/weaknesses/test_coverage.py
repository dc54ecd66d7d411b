"""Every check of the suite has a red proof: a live plant, or the reason why none is possible, and a synthetic one."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path

import pytest
from judging import checks
from plants import BASES, ONLY_SYNTHETIC, PLANTS
from synthetic import WEAKNESSES

from pytest_isolation.policy.verdict import check_of

LIVE = {check for plant in PLANTS for check in plant.opens}


@pytest.mark.parametrize("check", checks())
def test_every_check_has_a_red_proof(check: str) -> None:
    synthetic = check in {weakness.check for weakness in WEAKNESSES}

    assert synthetic, f"{check} has no weakness in synthetic/"
    assert check in LIVE or check in ONLY_SYNTHETIC, f"{check} has no live plant in plants/, nor a reason for none"


def test_plants_name_checks_and_bases_that_there_are() -> None:
    named = LIVE | set(ONLY_SYNTHETIC) | {check for plant in PLANTS for check in plant.also}
    bases = {(runtime, plant.base) for plant in PLANTS if plant.base for runtime in plant.runtimes}

    assert named <= set(checks())
    assert bases <= set(BASES)


def test_plants_are_told_apart_by_runtime_and_name() -> None:
    named = [(runtime, plant.name) for plant in PLANTS for runtime in plant.runtimes]

    assert len(named) == len(set(named))


LIST = "from plants import PLANTS; print([(one.runtimes, one.name, *one.opens, '', *one.also) for one in PLANTS])"


def test_plants_stand_in_one_order_whatever_the_hash_seed() -> None:
    """Workers of pytest-xdist must collect the same tests, and each has a hash seed of its own."""
    path = os.pathsep.join(str(folder) for folder in (Path(__file__).parent, Path(__file__).parents[1]))
    lists = {
        subprocess.run(
            [sys.executable, "-c", LIST],
            env={**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": path},
            check=True,
            capture_output=True,
            timeout=300,
        ).stdout
        for seed in ("1", "2")
    }

    assert len(lists) == 1


@pytest.mark.parametrize("check", checks())
def test_every_check_says_what_is_gained_without_it(check: str) -> None:
    told = check_of(checks()[check])

    assert told.gains, f"{check} has no gains=: what does an attacker inside gain where it is open?"
    assert told.gains[0].islower()
    assert not told.gains.endswith(".")
    assert told.remedy, f"{check} has no remedy="
    assert told.reproduce, f"{check} has no reproduce="
    assert told.refs, f"{check} has no refs="


def test_the_reference_pages_are_those_of_the_code() -> None:
    script = Path(__file__).parents[2] / "script/reference"
    loader = SourceFileLoader("reference_script", str(script))
    module = module_from_spec(spec_from_loader("reference_script", loader) or pytest.fail("no such script"))
    loader.exec_module(module)

    assert module.PAGE.read_text() == module.page(), "run script/reference"
    assert module.RUNTIMES.read_text() == module.runtimes(), "run script/reference"
    assert module.FIXTURES.read_text() == module.fixtures_page(), "run script/reference"
    assert module.RUNTIME_KEYS.read_text() == module.render_runtime_keys(), "run script/reference"
    assert module.ENVIRONMENTS.read_text() == module.render_environments(), "run script/reference"
