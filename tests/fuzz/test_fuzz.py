"""No input of any reader ends in anything but a value or one error of ours in one line."""

from __future__ import annotations

import os
import random
from functools import cache
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings

from fuzz.drawn import cases
from fuzz.inputs import Case, Edit, Sample, load_case
from fuzz.targets import ENDS, Target, find_targets

CORPUS = Path(__file__).with_name("corpus")
TARGETS = find_targets()
COUNT = int(os.environ.get("PYTEST_ISOLATION_FUZZ", "0"))


@cache
def samples(target: str) -> dict[str, Sample]:
    return {sample.name: sample for sample in TARGETS[target].samples()}


def read(target: Target, data: bytes) -> str:
    """Read one input; returns the line that refuses it, "" for none.  An AssertionError if it ends in anything else."""
    text = ""
    try:
        target.read(data)
    except ENDS as error:
        text = str(error)
    assert text == "" or text.isprintable(), f"not one printable line: {text!r}"
    assert len(text) < 1500
    return text


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_samples_are_sound(target: Target) -> None:
    for sample in samples(target.name).values():
        target.read(sample.change((), ()))
        if sample.paths:
            target.read(sample.change([Edit("drop", ("no such key",))], ()))


@pytest.mark.parametrize("file", sorted(CORPUS.glob("*/*.json")), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_corpus(file: Path) -> None:
    case = load_case(file.read_text())
    line = read(TARGETS[file.parent.name], samples(file.parent.name)[case.sample].change(case.edits, case.splices))

    assert case.says in line
    assert bool(line) == bool(case.says), line


@pytest.mark.hypothesis
@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_drawn_inputs(target: Target, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    number = request.config.getoption("hypothesis_seed", None) or random.SystemRandom().randrange(1 << 32)
    count = COUNT or target.few
    print(f"{target.name}: {count} inputs, " + (f"--hypothesis-seed={number}" if COUNT else "always the same"))

    @settings(
        max_examples=count,
        derandomize=not COUNT,
        database=None,
        deadline=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(cases(tuple(samples(target.name).values())))
    def run(case: Case) -> None:
        try:
            read(target, samples(target.name)[case.sample].change(case.edits, case.splices))
        except BaseException:
            (tmp_path / "case.json").write_text(case.dump())  # the last one written is the smallest
            raise

    try:
        (seed(int(number))(run) if COUNT else run)()
    except Exception as error:
        case = (tmp_path / "case.json").read_text()
        error.add_note(f"keep it as tests/fuzz/corpus/{target.name}/NAME.json:\n{case}")
        raise
