"""docs/glossary.md names what the code names, and replaced words name nothing in the code."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PACKAGES = (ROOT / "provisioner", ROOT / "plugins/pytest_isolation")
GLOSSARY = (ROOT / "docs/glossary.md").read_text("utf-8")
ROWS = re.findall(r"^\| (?!word|-)([^|`]+?) \| (.+?) \| (.*?) ?\|$", GLOSSARY, re.M)
PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+")
# packages and modules with names that need no explanation
ORDINARY = {"cli", "connection", "deadlines", "errors", "escape", "files", "fixtures", "linux", "options", "paths"}
ORDINARY |= {
    "plugin",
    "progress",
    "reference",
    "report",
    "version",
    "images",
    "judge",
    "session",
    "live",
    "observe",
    "targets",
}
REPLACED = {
    "around": "outer_host",
    "author": "denied_by",
    "authors": "denied_by",
    "conclude": "finish",
    "doors": "management_sockets",
    "lone": "exclusive",
    "pool": "session, observe",
    "reaping": "init_death",
    "shelf": "inventory",
    "shelved": "BoxInfo",
    "site": "HostFiles, files",
    "story": "VagrantProgress",
    "stray": "orphan",
    "strays": "orphans",
}


def named(path: Path) -> Iterator[tuple[str, str]]:
    """Yield each name of a module, a class, a function or an argument, and where it is."""
    place = str(path.relative_to(ROOT))
    yield path.parent.name if path.stem == "__init__" else path.stem, place
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield node.name, f"{place}:{node.lineno}"
            case ast.arg():
                yield node.arg, f"{place}:{node.lineno}"
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, f"{place}:{node.lineno}"


@pytest.fixture(scope="module")
def names() -> list[tuple[str, str]]:
    return [name for package in PACKAGES for path in sorted(package.rglob("*.py")) for name in named(path)]


def test_every_name_in_the_right_column_exists(names: list[tuple[str, str]]) -> None:
    known = {name for name, _ in names}
    listed = {name for _, _, code in ROWS for name in re.findall(r"`(\w+)`", code)}

    assert len(listed) > 40
    assert listed - known == set()


def test_every_package_has_a_word() -> None:
    words = {word.strip() for row in ROWS for word in row[0].split(",")}
    listed = (
        words
        | {f"{word}{end}" for word in words for end in ("s", "es")}
        | {name for row in ROWS for name in re.findall(r"`(\w+)`", row[2])}
    )
    rooms = {path.name for package in PACKAGES for path in package.iterdir() if (path / "__init__.py").exists()}

    assert rooms - listed - ORDINARY == set()


def test_no_word_is_listed_twice() -> None:
    words = [word.strip() for row in ROWS for word in row[0].split(",")]

    assert sorted(set(words)) == sorted(words)


@pytest.mark.parametrize("word", REPLACED)
def test_a_replaced_word_names_nothing(word: str, names: list[tuple[str, str]]) -> None:
    left = [f"{name} ({place})" for name, place in names if word in [part.lower() for part in PART.findall(name)]]

    assert left == [], f"use {REPLACED[word]}"
