"""provisioner.files.yaml: strict reading, and errors that name file, line and nearest key."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, RootModel

from provisioner.errors import IsolationError
from provisioner.files.yaml import MAX_BYTES, load_yaml, parse_yaml


class Inner(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    verdict: str
    count: int = 0
    until: date | None = None


class Outer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    name: str
    items: list[Inner] = []
    table: dict[str, Inner] = {}


class Table(RootModel[dict[str, Inner | list[Inner]]]):
    model_config = ConfigDict(strict=True)


def error_of(text: str, model: type[BaseModel] = Outer) -> str:
    with pytest.raises(IsolationError) as caught:
        parse_yaml(text.encode(), model, "x.yaml")
    return str(caught.value)


def test_values_keep_their_yaml_1_2_types() -> None:
    found = parse_yaml(b"name: on\nitems:\n- {verdict: no, count: 0x10, until: 2027-03-01}\n", Outer, "x.yaml")

    assert Outer(name="on", items=[Inner(verdict="no", count=16, until=date(2027, 3, 1))]) == found


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: a\nitem: []\n", "x.yaml:2: unknown key 'item'; did you mean 'items'?"),
        ("name: a\nitems:\n- verdict: b\n  verdit: c\n", "x.yaml:4: unknown key 'verdit'; did you mean 'verdict'?"),
        (
            "name: a\ntable:\n  one:\n    verdict: b\n    conut: 1\n",
            "x.yaml:5: unknown key 'conut'; did you mean 'count'?",
        ),
        ("name: a\nname: b\n", "x.yaml:2: the key 'name' appears twice; first in line 1"),
        ("name: 5\n", "x.yaml:1: name: should be a valid string, not 5"),
        ("items: []\n", "x.yaml:1: missing key 'name'"),
        ("name: a\nitems:\n- count: 1\n", "x.yaml:3: missing key 'verdict'"),
        ("name: &x a\n", "x.yaml:1: anchors and aliases are not allowed; write the value out"),
        ("name: a\n1: b\n", "x.yaml:2: the key '1' is not a string; quote it"),
        (
            "name: !!python/object:os.system x\n",
            "x.yaml:1: the tag 'tag:yaml.org,2002:python/object:os.system' is not allowed",
        ),
        ('items: []\nname: "\\ud800"\n', "x.yaml:2: half a character: an escape from \\ud800 to \\udfff"),
        ("name: a\nx: 1\ny: 2\n", "x.yaml:2: unknown key 'x' (and 1 more); known: name, items, table"),
    ],
)
def test_error_names_line_and_hint(text: str, message: str) -> None:
    assert message == error_of(text)


def test_error_in_a_union_names_the_nearest_key() -> None:
    message = error_of("a.b:\n- verdict: open\n- verdit: open\n", Table)

    assert message.startswith("x.yaml:3: unknown key 'verdit'")
    assert message.endswith("; did you mean 'verdict'?")


def test_broken_yaml_is_an_error_of_one_line_with_its_place() -> None:
    message = error_of("name: a\nitems: [1, 2\n")

    assert message.startswith("x.yaml:3: not YAML: ")
    assert "\n" not in message


@pytest.mark.parametrize("data", [b"[" * 100_000, b"a: " + b"\xff", b"- " * 30 + b"a", b"name: 2027-99-99"])
def test_hostile_bytes_end_in_one_error(data: bytes) -> None:
    with pytest.raises(IsolationError, match=r"x\.yaml:1: "):
        parse_yaml(data, Outer, "x.yaml")


def test_alias_bomb_is_refused() -> None:
    bomb = "a: &a [x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [*{chr(97 + i)}, *{chr(97 + i)}]\n" for i in range(20)
    )

    assert error_of(bomb) == "x.yaml:1: anchors and aliases are not allowed; write the value out"


def test_too_long_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_bytes(b"#" * (MAX_BYTES + 1))

    with pytest.raises(IsolationError, match="more than 256 KiB"):
        load_yaml(tmp_path / "x.yaml", Outer)


def test_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IsolationError, match="No such file or directory"):
        load_yaml(tmp_path / "x.yaml", Outer)


def test_a_long_key_is_quoted_without_its_middle() -> None:
    message = error_of(f"name: a\nitems: [{{{'x' * 5000}}}]\n")

    assert message.startswith("x.yaml:2: unknown key 'xxx")
    assert "…" in message
    assert len(message) < 700
