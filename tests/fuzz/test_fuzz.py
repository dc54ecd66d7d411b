"""No input of any reader ends in anything but a value or one error of ours in one line."""

from __future__ import annotations

import json
import os
from functools import cache
from pathlib import Path
from random import Random, SystemRandom

import pytest

from fuzz.crashes import Reader
from fuzz.drawn import draw_case
from fuzz.inputs import Case, Edit, Sample, load_case
from fuzz.targets import Target, find_targets

CORPUS = Path(__file__).with_name("corpus")
TARGETS = find_targets()
COUNT = int(os.environ.get("PYTEST_ISOLATION_FUZZ", "0"))
SEED = os.environ.get("PYTEST_ISOLATION_SEED", "")


@cache
def reader(target: str) -> Reader:
    return Reader(TARGETS[target], {sample.name: sample for sample in TARGETS[target].samples()})


@pytest.mark.parametrize("target", TARGETS)
def test_samples_are_sound(target: str) -> None:
    for sample in reader(target).samples.values():
        TARGETS[target].read(sample.change((), ()))
        if sample.paths:
            TARGETS[target].read(sample.change([Edit("drop", ("no such key",))], ()))


@pytest.mark.parametrize("file", sorted(CORPUS.glob("*/*.json")), ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_corpus(file: Path) -> None:
    case = load_case(file.read_text())
    line = reader(file.parent.name).read(case)

    assert case.says in line
    assert bool(line) == bool(case.says), line


@pytest.mark.fuzz
@pytest.mark.parametrize("target", TARGETS)
def test_drawn_inputs(target: str) -> None:
    seed = SEED or (SystemRandom().randrange(1 << 32) if COUNT else 0)
    count, samples = COUNT or TARGETS[target].few, tuple(reader(target).samples.values())
    print(f"{target}: {count} inputs, PYTEST_ISOLATION_SEED={seed}")
    crashes = reader(target).find_crashes(draw_case(Random(f"{seed}/{number}"), samples) for number in range(count))

    if crashes:
        raise ExceptionGroup(f"{target} ends in neither a value nor one line", crashes)


def test_each_crash_is_told_once_with_its_smallest_case() -> None:
    def read(data: bytes) -> None:
        document = json.loads(data)
        document["a"]
        assert document["b"] < 3

    broken = Reader(Target("broken", tuple, read), {"x": Sample("x", {"a": 1, "b": 2, "c": 3})})
    drop, raised = Edit("drop", ("a",)), Edit("set", ("b",), 4)
    changes = ((drop, Edit("drop", ("c",))), (raised,), (Edit("empty", ("c",)), raised), (Edit("drop", ("c",)),))
    crashes = broken.find_crashes(Case("x", edits) for edits in changes)

    assert [type(crash) for crash in crashes] == [KeyError, AssertionError]
    notes = [crash.__notes__[0].partition("NAME.json:\n") for crash in crashes]
    assert [load_case(kept).edits for _, _, kept in notes] == [(drop,), (raised,)]
