"""provisioner.files.free_yaml: YAML of other programs is read as it is, and what is wrong is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.files.free_yaml import MAX_BYTES, parse_free_yaml, read_free_yaml


def test_documents_with_anchors_are_read() -> None:
    assert parse_free_yaml(b"a: &x [1, yes]\nb: *x\n---\n---\nc: 1\n", "f") == [
        {"a": [1, "yes"], "b": [1, "yes"]},
        {"c": 1},
    ]


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"a: [\n", "f:2: not YAML: "),
        (b"a: 1\nb: \xff\n", "f:2: not UTF-8"),
        (b"a: *b\n", "f:1: not YAML: "),
        (b"x" * (MAX_BYTES + 1), "cannot read 'f': more than 1 MiB"),
    ],
)
def test_what_is_no_yaml_is_one_line(data: bytes, error: str) -> None:
    with pytest.raises(IsolationError) as caught:
        parse_free_yaml(data, "f")

    assert caught.value.what.startswith(error)
    assert "\n" not in caught.value.what


def test_a_missing_file_names_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "compose.yaml").write_text("a: 1")

    with pytest.raises(IsolationError, match="no such file") as caught:
        read_free_yaml(tmp_path / "compse.yaml")

    assert caught.value.hint == "did you mean 'compose.yaml'?"
