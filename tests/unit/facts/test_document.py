"""provisioner.facts.document: no bytes give anything but Facts or one FactsError of one line."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from fakes import NONCE, facts_document
from hypothesis import given, settings
from hypothesis import strategies as st

from provisioner.errors import UnobservedFact
from provisioner.facts.document import Facts, parse_facts
from provisioner.observed import MAX_BYTES, Fact, FactMap, FactsError, Number, Observed, since_schema, unobserved

DOCUMENT = facts_document()
Change = Callable[[dict[str, Any]], None]


def parse_or_refuse(data: bytes) -> Facts | None:
    """Parse; anything but Facts or one printable line is an error of the test."""
    refusal = ""
    try:
        facts = parse_facts(data, NONCE)
    except FactsError as error:
        refusal = str(error)
    if refusal:
        assert refusal.isprintable()
        assert refusal.startswith("cannot ")
        assert len(refusal) < 600
        return None
    assert isinstance(facts, Facts)
    return facts


def refused(data: bytes) -> str:
    with pytest.raises(FactsError) as error:
        parse_facts(data, NONCE)
    assert str(error.value).isprintable()
    return str(error.value)


def changed(change: Change) -> bytes:
    document = json.loads(DOCUMENT)
    change(document)
    return json.dumps(document).encode()


def test_a_real_document_is_facts() -> None:
    facts = parse_facts(DOCUMENT, NONCE)

    assert facts.view == "inside"
    assert facts.process.pid > 0
    assert facts.nonce == NONCE


def test_facts_survive_their_own_json() -> None:
    facts = parse_facts(DOCUMENT, NONCE)

    assert facts == parse_facts(facts.model_dump_json(by_alias=True).encode(), NONCE)


def at_least(examples: int) -> int:
    """Return how many examples to draw: the lane `fuzz` draws more."""
    return max(examples, settings().max_examples)


@given(st.binary(max_size=4096))
def test_random_bytes_are_refused(data: bytes) -> None:
    assert parse_or_refuse(data) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@given(JSON)
def test_other_json_is_refused(value: Any) -> None:
    assert parse_or_refuse(json.dumps(value).encode()) is None


@settings(max_examples=at_least(300), deadline=None)
@given(st.integers(0, len(DOCUMENT) - 1), st.integers(0, 255), st.integers(0, 8))
def test_a_changed_byte_gives_facts_or_one_error(at: int, byte: int, run: int) -> None:
    parse_or_refuse(DOCUMENT[:at] + bytes([byte]) * run + DOCUMENT[at + 1 :])


@settings(max_examples=at_least(200), deadline=None)
@given(st.integers(0, len(DOCUMENT)), st.integers(0, len(DOCUMENT)), st.integers(0, len(DOCUMENT)))
def test_a_spliced_document_gives_facts_or_one_error(first: int, second: int, length: int) -> None:
    parse_or_refuse(DOCUMENT[:first] + DOCUMENT[second : second + length] + DOCUMENT[first:])


def paths_of(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    children = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    return [path, *(found for key, child in children for found in paths_of(child, (*path, key)))]


PATHS = paths_of(json.loads(DOCUMENT))


@settings(max_examples=at_least(300), deadline=None)
@given(st.sampled_from(PATHS[1:]), JSON)
def test_any_value_anywhere_gives_facts_or_one_error(path: tuple[Any, ...], value: Any) -> None:
    document = json.loads(DOCUMENT)
    node = document
    for part in path[:-1]:
        node = node[part]
    node[path[-1]] = value

    parse_or_refuse(json.dumps(document).encode())


@settings(max_examples=at_least(200), deadline=None)
@given(st.sampled_from([path for path in PATHS if not path or isinstance(path[-1], str)]), st.text(), JSON)
def test_any_key_anywhere_gives_facts_or_one_error(path: tuple[Any, ...], key: str, value: Any) -> None:
    document = json.loads(DOCUMENT)
    node = document
    for part in path:
        node = node[part]
    if isinstance(node, dict):
        node[key] = value

    parse_or_refuse(json.dumps(document).encode())


def shortened(node: Any) -> Any:
    """Return the document with one item of each list but those of numbers, and two of each long mapping."""
    if isinstance(node, list) and not all(isinstance(child, int) for child in node):
        return [shortened(child) for child in node[:1]]
    if isinstance(node, dict):
        kept = list(node.items()) if len(node) < 60 else list(node.items())[:2]
        return {key: shortened(child) for key, child in kept}
    return node


def test_cut_at_every_position_is_refused() -> None:
    document = json.loads(DOCUMENT)
    whole = json.dumps({**shortened(document), "process": shortened(document["process"])}).encode()

    assert parse_or_refuse(whole) is not None
    for length in range(len(whole)):
        assert parse_or_refuse(whole[:length]) is None, length


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1", "18446744073709551616", "1.5"])
def test_what_is_no_number_is_refused(number: str) -> None:
    text = changed(lambda document: document.update(time="THERE")).replace(b'"THERE"', number.encode())

    refused(text)


def test_the_greatest_number_is_taken() -> None:
    text = changed(lambda document: document["process"].update(start_time=(1 << 64) - 1))

    assert parse_facts(text, NONCE).process.start_time == (1 << 64) - 1


def test_a_number_of_many_digits_is_refused() -> None:
    assert "cannot read the facts" in refused(
        changed(lambda d: d.update(time="THERE")).replace(b'"THERE"', b"9" * 9999)
    )


def test_a_duplicate_key_is_refused() -> None:
    assert "twice" in refused(DOCUMENT.replace(b'"view"', b'"view":"inside","view"', 1))


def test_an_unknown_key_is_refused_by_its_name() -> None:
    assert "extra_walls" in refused(changed(lambda document: document.update(extra_walls=1)))


def test_a_key_cannot_forge_lines_of_output() -> None:
    message = refused(changed(lambda document: document.update({"x\n\x1b[2J1 passed": 1})))

    assert "\n" not in message
    assert "\x1b" not in message


def test_a_missing_key_is_refused_by_its_name() -> None:
    assert "boot_id" in refused(changed(lambda document: document.pop("boot_id")))


def test_another_nonce_is_refused() -> None:
    with pytest.raises(FactsError, match="another nonce"):
        parse_facts(DOCUMENT, "f" * 16)


def test_an_archived_document_may_have_any_nonce() -> None:
    assert parse_facts(DOCUMENT).nonce == NONCE


def test_nested_deeper_than_sixteen_is_refused() -> None:
    assert "nested deeper than 16" in refused(b"[" * 17 + b"]" * 17)
    assert "nested deeper" not in refused(b"[" * 15 + b"]" * 15)


def test_nested_beyond_the_interpreter_is_refused() -> None:
    assert "nested too deeply" in refused(b"[" * 200_000)


def test_one_byte_more_than_a_mebibyte_is_refused() -> None:
    padded = DOCUMENT + b" " * (MAX_BYTES - len(DOCUMENT))

    assert parse_facts(padded, NONCE).nonce == NONCE
    assert str(MAX_BYTES + 1) in refused(padded + b" ")


def test_a_lone_surrogate_is_refused() -> None:
    refused(changed(lambda document: document.update(probe="THERE")).replace(b"THERE", rb"\ud800"))
    refused(changed(lambda document: document.update(THERE=1)).replace(b"THERE", rb"\udfff"))
    assert "not UTF-8" in refused(DOCUMENT.replace(b'"inside"', b'"\xed\xa0\x80"', 1))


def test_more_items_than_the_bound_are_refused() -> None:
    refused(changed(lambda document: document["process"].update(groups=[0] * 4097)))


def test_touching_an_unobserved_fact_raises() -> None:
    text = changed(lambda d: d["process"].update(lsm={"unobserved": "EACCES", "why": "open attr/current"}))
    facts = parse_facts(text, NONCE)

    with pytest.raises(UnobservedFact, match=r"lsm could not be observed: open attr/current \(EACCES\)") as raised:
        _ = facts.process.lsm
    assert raised.value.errno == "EACCES"
    assert facts.process.raw("lsm").unobserved == "EACCES"


def test_no_fact_that_was_not_seen_can_be_compared() -> None:
    process = parse_facts(DOCUMENT, NONCE).process.model_copy(update={"uid": unobserved("nobody looked")})

    with pytest.raises(UnobservedFact):
        assert process.uid != [0, 0, 0, 0]


def test_a_missing_name_is_an_unobserved_fact() -> None:
    facts = parse_facts(DOCUMENT, NONCE)
    assert facts.system is not None

    assert "/no/such/path" not in facts.system.paths
    with pytest.raises(UnobservedFact, match="/no/such/path"):
        _ = facts.system.paths["/no/such/path"]


def test_an_unobserved_value_under_a_name_raises() -> None:
    named = FactMap[int].model_construct({"a": unobserved("nobody looked"), "b": 2})

    assert named["b"] == 2
    with pytest.raises(UnobservedFact, match="nobody looked"):
        _ = named["a"]


def test_facts_cannot_be_changed() -> None:
    facts = parse_facts(DOCUMENT, NONCE)

    with pytest.raises(ValueError, match="frozen"):
        facts.view = "outside"


def test_the_probe_of_today_holds_every_fact() -> None:
    def missing(part: object, where: str) -> list[str]:
        if isinstance(part, FactMap):
            return [found for name, value in part.root.items() for found in missing(value, f"{where}[{name}]")]
        if not isinstance(part, Observed):
            return []
        own = [f"{where}.{name}" for name in type(part).model_fields.keys() - part.model_fields_set]
        return own + [found for name in type(part).model_fields for found in missing(part.raw(name), f"{where}.{name}")]

    assert missing(parse_facts(DOCUMENT, NONCE), "facts") == []


def test_a_fact_that_an_older_probe_did_not_know_was_not_observed() -> None:
    class Younger(Observed):
        number: Fact[Number] = since_schema()

    with pytest.raises(UnobservedFact, match="number could not be observed: these facts do not hold it"):
        _ = Younger.model_validate_json("{}").number
