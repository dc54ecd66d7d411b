"""Each check turns red on its own weakness, stays green on a look-alike, and is never green on an unobserved fact.

It needs no privileges and no sandbox, only recorded facts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import pytest
from fact_parts import Dict
from facts_factory import SOUND, record_of
from fitting import foreign_remedies
from judging import Found, checks, judge
from rates import count
from synthetic import LOOKALIKES, WEAKNESSES
from weakness import Lookalike, Weakness

from provisioner.observed import FactMap, Observed, Unobserved, _MayBeUnobserved
from pytest_isolation.policy.verdict import Verdict
from pytest_isolation.records.record import Record

GREEN = (Verdict.HOLDS, Verdict.NOT_APPLICABLE)
ALL = "*"
Note = Callable[[str, object], None]
TAKEN = Unobserved(unobserved="EACCES", why="taken away")


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_sandbox_holds(name: str) -> None:
    make, documented_open = SOUND[name]

    red = {check: found for check, found in judge(record_of(make())).items() if found[0] not in GREEN}

    assert set(documented_open) == red.keys(), red
    assert {Verdict.OPEN} >= {verdict for verdict, _ in red.values()}


@pytest.mark.parametrize("weakness", WEAKNESSES, ids=str)
def test_a_weakness_moves_its_own_check_and_names_the_cause(weakness: Weakness, record_property: Note) -> None:
    document = SOUND[weakness.record][0]()
    before = _sound(weakness.record)
    weakness.edit(document)

    after = judge(record_of(document))
    expected = {name: str(after[name][0]) for name in weakness.also} | {weakness.check: weakness.verdict}
    record_property("rates", count(expected, _verdicts(before, after), after))

    assert before[weakness.check][0] is Verdict.HOLDS
    verdict, reason = after[weakness.check]
    assert (weakness.verdict, True) == (verdict, weakness.cause in reason), reason
    target = record_of(document).target
    assert foreign_remedies(weakness.check, target.kind, verdict, reason, target.conditions) == {}
    assert {weakness.check, *weakness.also} == _moved(before, after)
    assert not [name for name in weakness.also if after[name][0] in GREEN]


@pytest.mark.parametrize("lookalike", LOOKALIKES, ids=str)
def test_a_lookalike_moves_nothing(lookalike: Lookalike, record_property: Note) -> None:
    document = SOUND[lookalike.record][0]()
    before = _sound(lookalike.record)
    lookalike.edit(document)

    after = judge(record_of(document))
    moved = _verdicts(before, after)
    record_property("rates", count({}, moved, after, also=dict(lookalike.moves)))

    assert dict(lookalike.moves) == moved, after


@pytest.mark.parametrize("check", checks())
def test_every_check_has_a_plant(check: str) -> None:
    assert check in {weakness.check for weakness in WEAKNESSES}


@pytest.mark.parametrize("name", SOUND)
def test_an_unobserved_fact_is_unknown_and_never_green(name: str) -> None:
    document = SOUND[name][0]()
    before = judge(record_of(document))

    for where, found in _without_one_fact(document):
        for check, (verdict, reason) in found.items():
            assert verdict in (before[check][0], Verdict.UNKNOWN), (where, check, reason)
            if verdict is Verdict.UNKNOWN:
                assert "could not be observed" in reason, (where, check, reason)


def test_every_check_reads_a_fact_that_can_be_taken_away() -> None:
    unknown: set[str] = set()

    for make, _ in SOUND.values():
        for _, found in _without_one_fact(make()):
            unknown |= {check for check, (verdict, _) in found.items() if verdict is Verdict.UNKNOWN}

    assert set(checks()) == unknown


def test_a_check_that_does_not_read_a_fact_does_not_change_without_it() -> None:
    """What the other tests here rely on: they judge a record without a fact by the checks that read it alone."""
    document = SOUND["container"][0]()
    before = judge(record_of(document))
    record = record_of(document)

    for number, (_, part, name) in enumerate(_facts_of(record, ())):
        if number % 20 == 0:
            with taken_away(part, name):
                after = judge(record)
            read = {check for check, found in reads(record_of(document)).items() if name in {one[1] for one in found}}
            assert {check for check in after if after[check][0] is not before[check][0]} <= read


@pytest.mark.parametrize("weakness", WEAKNESSES, ids=str)
def test_a_weakness_does_not_hide_behind_a_fact_that_nobody_saw(weakness: Weakness) -> None:
    document = SOUND[weakness.record][0]()
    weakness.edit(document)
    sound = SOUND[weakness.record][0]()

    for where, found in _without_one_fact(document, frozenset({weakness.check})):
        if len(where) > 3 and where[2] in ("tries", "paths"):
            continue  # a row more or less is another test's
        if found[weakness.check][0] in GREEN:  # what was taken away was the weakness itself; another view is sound
            assert _at(document, where) != _at(sound, where), where


@cache
def _sound(name: str) -> dict[str, Found]:
    """Return what each check says of a sound record; the same for all that is planted in it."""
    return judge(record_of(SOUND[name][0]()))


def _moved(before: dict[str, Found], after: dict[str, Found]) -> set[str]:
    return {name for name in before if before[name][0] is not after[name][0]}


def _verdicts(before: dict[str, Found], after: dict[str, Found]) -> dict[str, str]:
    return {name: str(after[name][0]) for name in _moved(before, after)}


def _without_one_fact(
    document: Dict, names: frozenset[str] = frozenset()
) -> Iterator[tuple[tuple[str, ...], dict[str, Found]]]:
    """Yield what the checks that read a fact (or those of `names`) say without it, for every fact that they read."""
    record = record_of(document)
    found = reads(record, names)
    for where, part, name in list(_facts_of(record, ())):
        readers = frozenset(check for check, read in found.items() if {(id(part), name), (id(part), ALL)} & read)
        if readers:
            with taken_away(part, name):
                yield where, judge(record, readers)


@contextmanager
def taken_away(part: Any, name: str) -> Iterator[None]:
    """Let nobody have seen one fact of a parsed record."""
    values = part.root if isinstance(part, FactMap) else part.__dict__
    seen = values[name]
    values[name] = TAKEN
    try:
        yield
    finally:
        values[name] = seen


def reads(record: Record, names: frozenset[str] = frozenset()) -> dict[str, set[tuple[int, str]]]:
    """Return what each check reads of a record: (id of the object, name), with ALL for the name where it reads all."""
    found: dict[str, set[tuple[int, str]]] = {}
    with pytest.MonkeyPatch.context() as patch:
        noted: set[tuple[int, str]] = set()
        real, get = Observed.__getattribute__, FactMap.__getitem__

        def read(self: Observed, name: str) -> Any:
            noted.add((id(self), ALL if name == "__dict__" else name))
            return real(self, name)

        def raw(self: Observed, name: str) -> Any:
            noted.add((id(self), name))
            return real(self, "__dict__")[name]

        def item(self: FactMap[Any], name: str) -> Any:
            noted.add((id(self), name))
            return get(self, name)

        def whole(method: Any) -> Any:
            def call(self: FactMap[Any], *args: Any) -> Any:
                noted.add((id(self), ALL))
                return method(self, *args)

            return call

        patch.setattr(Observed, "__getattribute__", read)
        patch.setattr(Observed, "raw", raw)
        patch.setattr(FactMap, "__getitem__", item)
        patch.setattr(FactMap, "__contains__", whole(FactMap.__contains__))
        patch.setattr(FactMap, "names", whole(FactMap.names))
        for check in names or checks():
            noted.clear()
            judge(record, frozenset({check}))
            found[check] = set(noted)
    return found


def _facts_of(part: Any, where: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any, str]]:
    """Yield where each such fact stands: its path in the document, the object that holds it, and its name there."""
    if isinstance(part, FactMap):
        for name, value in part.root.items():
            yield (*where, name), part, name
            yield from _facts_of(value, (*where, name))
    elif isinstance(part, Observed):
        for name, field in type(part).model_fields.items():
            path = (*where, field.alias or name)
            if any(isinstance(meta, _MayBeUnobserved) for meta in field.metadata):
                yield path, part, name
            yield from _facts_of(part.__dict__[name], path)


def _at(document: Any, where: tuple[str, ...]) -> Any:
    for key in where:
        document = document.get(key) if isinstance(document, dict) else None
    return document
