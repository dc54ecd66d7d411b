"""Where a made-up section of facts shows, asserted in a process that has it (test_made_up_section.py starts it)."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from facts_factory import container, record_of

from provisioner.errors import UnobservedFact
from provisioner.facts.document import Facts, parse_facts
from provisioner.observed import FactsError
from pytest_isolation.judge.evidence import show_fact
from pytest_isolation.judge.judge import judge_check
from pytest_isolation.judge.own import own_checks
from pytest_isolation.policy.policy import Policy
from pytest_isolation.records.read import parse_record
from pytest_isolation.records.record import Record, dump_record
from pytest_isolation.records.view import judge_fixtures

UNSEEN = {"unobserved": "EACCES", "why": "read the clock"}


def recorded(**clock: object) -> Record:
    document = container()
    document["inside"]["system"]["clock"] = {"source": "tsc", "offset": 0} | clock
    return record_of(document)


def judged(record: Record) -> tuple[str, tuple[str, ...]]:
    (check,) = own_checks(Path(__file__).with_name("clock_check.py"))
    cell = judge_check(check, record, judge_fixtures(record), Policy())
    return str(cell.verdict), cell.inside


def test_a_document_holds_it() -> None:
    document = container()["inside"]
    document["system"]["clock"] = {"source": "tsc", "offset": 3}
    facts = parse_facts(json.dumps(document).encode())

    assert facts.system is not None
    assert facts.system.clock.offset == 3
    assert show_fact(facts, "clock.source") == "tsc"
    assert "Clock" in Facts.model_json_schema(by_alias=True)["$defs"]


def test_an_unknown_key_in_it_is_refused() -> None:
    document = container()["inside"]
    document["system"]["clock"] = {"source": "tsc", "offset": 3, "drift": 1}

    with pytest.raises(FactsError, match=r"system\.clock"):
        parse_facts(json.dumps(document).encode())


def test_older_documents_are_read_and_do_not_hold_it() -> None:
    record = record_of(container())

    assert record.inside.system is not None
    with pytest.raises(UnobservedFact, match="these facts do not hold it"):
        _ = record.inside.system.clock
    assert judged(record)[0] == "unknown"


def test_an_archive_keeps_it() -> None:
    record = recorded(offset=7)

    assert parse_record(dump_record(record), "archive") == record


@pytest.mark.parametrize(("offset", "verdict"), [(0, "holds"), (9, "open"), (UNSEEN, "unknown")])
def test_a_check_over_it_is_judged(offset: object, verdict: str) -> None:
    observed, inside = judged(recorded(offset=offset))

    assert observed == verdict
    assert inside[0].startswith("clock.offset = ")
