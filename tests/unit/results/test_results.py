"""pytest_isolation.results.model: one file, merged in any order, with a published schema."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sample_results import sample

from provisioner.errors import IsolationError
from provisioner.files.folder import Folder
from provisioner.files.schemas import render_schema
from pytest_isolation.policy.verdict import Judgement, Verdict
from pytest_isolation.reference.schemas import DIRECTORY, MODELS
from pytest_isolation.results.merge import merge
from pytest_isolation.results.model import (
    Cell,
    Check,
    Host,
    Results,
    Run,
    Skipped,
    load_results,
    write_results,
)

word = st.sampled_from(["a", "b", "c"])
runs = st.builds(
    Run,
    ids=st.lists(word).map(tuple),
    started=st.none() | st.floats(0, 9),
    ended=st.none() | st.floats(0, 9),
    policies=st.lists(word).map(tuple),
)
cells = st.builds(
    Cell,
    check=word,
    target=word,
    version=st.integers(1, 2),
    verdict=st.sampled_from(Verdict),
    judgement=st.sampled_from(Judgement),
    reason=word,
)
parts = st.builds(
    Results,
    run=runs,
    hosts=st.lists(st.builds(Host, id=word, kernel=word), max_size=3).map(tuple),
    checks=st.lists(st.builds(Check, id=word, title=word), max_size=3).map(tuple),
    cells=st.lists(cells, max_size=4).map(tuple),
    skipped=st.lists(st.builds(Skipped, what=word, reason=word), max_size=3).map(tuple),
)
results = parts.map(lambda one: merge(one, Results()))  # as written: sorted, no key twice


@given(results, results, results)
def test_merge_is_associative_commutative_and_idempotent(a: Results, b: Results, c: Results) -> None:
    assert merge(a, b) == merge(b, a)
    assert merge(a, merge(b, c)) == merge(merge(a, b), c)
    assert merge(a, a) == a


@given(results, results)
def test_merge_loses_no_cell(a: Results, b: Results) -> None:
    def keys(one: Results) -> set[tuple[str, int, str]]:
        return {(cell.check, cell.version, cell.target) for cell in one.cells}

    assert keys(a) | keys(b) == keys(merge(a, b))


def test_of_two_cells_with_one_key_the_worse_wins() -> None:
    good = Results(cells=(Cell(check="a", target="t", verdict=Verdict.HOLDS, judgement=Judgement.OK),))
    bad = Results(cells=(Cell(check="a", target="t", verdict=Verdict.OPEN, judgement=Judgement.FINDING),))

    assert bad.cells == merge(merge(good, bad), good).cells


def written(results: Results, directory: Path) -> Path:
    """Write results into a folder, and return their file."""
    with Folder.make(directory, 0o755) as folder:
        write_results(results, folder)
    return directory / "results.json"


def test_file_survives_a_round_trip(tmp_path: Path) -> None:
    path = written(sample(), tmp_path / "report")

    assert sample() == load_results(path) == load_results(path.parent)
    assert [file.name for file in path.parent.iterdir()] == ["results.json"]


def test_hostile_text_is_escaped_in_the_file(tmp_path: Path) -> None:
    data = written(sample("\x1b[31m\u202e\udcff"), tmp_path).read_bytes()

    assert rb"\\x1b[31m\\u202e\\udcff" in data
    assert b"\x1b" not in data


def test_file_fits_the_published_schema(tmp_path: Path) -> None:
    schema: dict[str, Any] = json.loads((DIRECTORY / "results.schema.json").read_text())
    document = json.loads(written(sample(), tmp_path).read_text())

    jsonschema.validate(document, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "cels": []}, schema)


def test_published_schemas_are_those_of_the_models() -> None:
    published = {path.name: path.read_text(encoding="utf-8") for path in DIRECTORY.glob("*.json")}

    assert {name: render_schema(model) for name, model in MODELS.items()} == published


def test_expected_schema_takes_one_entry_or_a_list() -> None:
    schema: dict[str, Any] = json.loads((DIRECTORY / "expected.schema.json").read_text())
    entry = {"verdict": "open", "source": "docs"}

    jsonschema.validate({"a.b": entry, "a.c": [entry]}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"a.b": {"verdit": "open", "source": "docs"}}, schema)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{}", None),
        ("[]", "cannot read "),
        ('{"schema": 2}', "schema: Input should be 1"),
        ('{"schema": 1, "cels": []}', "cels: Extra inputs"),
        ("{", "Expecting property name"),
    ],
)
def test_a_wrong_file_is_one_error(tmp_path: Path, text: str, message: str | None) -> None:
    (tmp_path / "results.json").write_text(text)

    if message is None:
        assert Results() == load_results(tmp_path)
        return
    with pytest.raises(IsolationError, match=message) as caught:
        load_results(tmp_path)
    assert caught.value.hint == "it should be a results.json of schema 1"


def test_the_worst_findings_come_first() -> None:
    assert [cell.check for cell in sample().findings()] == ["ns.pid", "lim.pids", "net.peer_same"]
