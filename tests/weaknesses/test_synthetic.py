"""Each check of the suite turns red on its own weakness, stays green on what looks like one, and is never green on
what nobody saw.  No privileges, no sandbox: recorded facts alone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from facts_factory import SOUND, Dict, record_of
from judging import Found, checks, judge
from synthetic import LOOKALIKES, WEAKNESSES
from weakness import Lookalike, Weakness

from provisioner.sandboxes.observed import Named, Observed, Unobserved, _MayBeUnobserved
from pytest_isolation.record import Record
from pytest_isolation.verdict import Verdict

GREEN = (Verdict.HOLDS, Verdict.NOT_APPLICABLE)
TAKEN = Unobserved(unobserved="EACCES", why="taken away")


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_sandbox_holds(name: str) -> None:
    make, documented_open = SOUND[name]

    red = {check: found for check, found in judge(record_of(make())).items() if found[0] not in GREEN}

    assert set(documented_open) == red.keys(), red
    assert {Verdict.OPEN} >= {verdict for verdict, _ in red.values()}


@pytest.mark.parametrize("weakness", WEAKNESSES, ids=str)
def test_a_weakness_moves_its_own_check_and_names_the_cause(weakness: Weakness) -> None:
    document = SOUND[weakness.record][0]()
    before = judge(record_of(document))
    weakness.edit(document)

    after = judge(record_of(document))

    assert before[weakness.check][0] is Verdict.HOLDS
    verdict, reason = after[weakness.check]
    assert (weakness.verdict, True) == (verdict, weakness.cause in reason), reason
    assert {weakness.check, *weakness.also} == _moved(before, after)
    assert not [name for name in weakness.also if after[name][0] in GREEN]


@pytest.mark.parametrize("lookalike", LOOKALIKES, ids=str)
def test_a_lookalike_moves_nothing(lookalike: Lookalike) -> None:
    document = SOUND[lookalike.record][0]()
    before = judge(record_of(document))
    lookalike.edit(document)

    after = judge(record_of(document))

    assert dict(lookalike.moves) == {name: str(after[name][0]) for name in _moved(before, after)}, after


@pytest.mark.parametrize("check", checks())
def test_every_check_has_a_plant(check: str) -> None:
    assert check in {weakness.check for weakness in WEAKNESSES}


@pytest.mark.parametrize("name", SOUND)
def test_a_fact_that_nobody_saw_is_unknown_and_never_green(name: str) -> None:
    make = SOUND[name][0]
    before = judge(record_of(make()))

    for where, record in _without_one_fact(make()):
        for check, (verdict, reason) in judge(record).items():
            assert verdict in (before[check][0], Verdict.UNKNOWN), (where, check, reason)
            if verdict is Verdict.UNKNOWN:
                assert "could not be observed" in reason, (where, check, reason)


def test_every_check_reads_a_fact_that_can_be_taken_away() -> None:
    unknown: set[str] = set()

    for make, _ in SOUND.values():
        for _, record in _without_one_fact(make()):
            unknown |= {check for check, (verdict, _) in judge(record).items() if verdict is Verdict.UNKNOWN}

    assert set(checks()) == unknown


@pytest.mark.parametrize("weakness", WEAKNESSES, ids=str)
def test_a_weakness_does_not_hide_behind_a_fact_that_nobody_saw(weakness: Weakness) -> None:
    document = SOUND[weakness.record][0]()
    weakness.edit(document)
    sound = SOUND[weakness.record][0]()

    for where, record in _without_one_fact(document):
        if len(where) > 3 and where[2] in ("tries", "paths"):
            continue  # seconds: a row more or less is another test's
        verdict = judge(record, frozenset({weakness.check}))[weakness.check][0]
        if verdict in GREEN:  # the fact taken away was the weakness itself, and another view of it is sound
            assert _at(document, where) != _at(sound, where), where


def _moved(before: dict[str, Found], after: dict[str, Found]) -> set[str]:
    return {name for name in before if before[name][0] is not after[name][0]}


def _without_one_fact(document: Dict) -> Iterator[tuple[tuple[str, ...], Record]]:
    """Yield the record lacking one fact, for every fact that can be unobserved; the same object each time."""
    record = record_of(document)
    for where, values, name in list(_facts_of(record, ())):
        seen = values[name]
        values[name] = TAKEN
        yield where, record
        values[name] = seen


def _facts_of(part: Any, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], dict[str, Any], str]]:
    """Yield where each such fact stands: its path in the document, and the place in the parsed record."""
    if isinstance(part, Named):
        for name, value in part.root.items():
            yield (*where, name), part.root, name
            yield from _facts_of(value, (*where, name))
    elif isinstance(part, Observed):
        for name, field in type(part).model_fields.items():
            path = (*where, field.alias or name)
            if any(isinstance(meta, _MayBeUnobserved) for meta in field.metadata):
                yield path, part.__dict__, name
            yield from _facts_of(part.__dict__[name], path)


def _at(document: Any, where: tuple[str, ...]) -> Any:
    for key in where:
        document = document.get(key) if isinstance(document, dict) else None
    return document
