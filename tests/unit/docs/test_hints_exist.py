"""Every command, option, key and variable that a message names exists there, for the user who reads the message.

All string literals of the source are looked at, and the texts of roles and of known flaws.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import provisioner
import pytest_isolation
from provisioner.cli.main import app as provisioner_app
from provisioner.deadlines import scale_of, slow_hint
from provisioner.errors import IsolationError
from provisioner.version import scale_first
from pytest_isolation.cli import app as isolation_app

PACKAGE = Path(provisioner.__path__[0])
PLUGIN = Path(pytest_isolation.__path__[0])
ROLES = PACKAGE.parent / "roles"
COMMANDS = {"provisioner": get_command(provisioner_app), "isolation": get_command(isolation_app)}
CALL = re.compile(r"(?:^|[`;:] ?|^run |, )(provisioner|isolation) ([a-z][a-z-]*)((?: --?[a-z][a-z-]*| [a-z][a-z-]*)*)")
VARIABLE = re.compile(r"PYTEST_ISOLATION_[A-Z_]+")
OPTION = re.compile(r"(?<![\w-])--isolation[a-z-]*")
KEY = re.compile(r"(?<![\w./-])isolation_(?:profile|runtime|expected|waivers|[a-z]+_scale)\b")


def literals(package: Path) -> Iterator[tuple[str, str]]:
    """Return each text of a package with its file; docstrings are none, an f-string is one text."""
    for file in sorted(package.rglob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        docs = {
            id(node.body[0].value)
            for node in ast.walk(tree)
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef)
            and node.body
            and isinstance(node.body[0], ast.Expr)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "X" for part in node.values)
                yield f"{file.parent.name}/{file.name}", "".join(map(str, parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
                yield f"{file.parent.name}/{file.name}", node.value
    for file in sorted(package.rglob("*.yaml")):
        yield f"{file.parent.name}/{file.name}", file.read_text("utf-8")


TEXTS = {place: list(literals(place)) for place in (PACKAGE, PLUGIN, ROLES)}
ALL = [one for texts in TEXTS.values() for one in texts]


def command_of(program: str, words: list[str]) -> tuple[Any, list[str]]:
    """Return the command that words name, and the words behind it."""
    command: Any = COMMANDS[program]
    while words and hasattr(command, "commands") and words[0] in command.commands:
        command, words = command.commands[words[0]], words[1:]
    return command, words


def test_every_command_that_a_text_names_exists() -> None:
    wrong, seen = [], 0
    for file, text in ALL:
        for program, name, rest in CALL.findall(text):
            if program == "isolation" and "`isolation" not in text:
                continue  # a word of a sentence
            seen += 1
            command, left = command_of(program, [name, *rest.split()])
            options = {option for param in command.params for option in (*param.opts, *param.secondary_opts)}
            if command is COMMANDS[program]:
                wrong.append(f"{file}: {program} {name}")
            wrong += [f"{file}: {program} {name} {word}" for word in left if word[:2] == "--" and word not in options]

    assert seen > 20
    assert wrong == []


def test_every_option_of_pytest_that_a_text_names_exists(pytestconfig: pytest.Config) -> None:
    groups = [*pytestconfig._parser._groups, pytestconfig._parser._anonymous]
    known = {name for group in groups for option in group.options for name in option.names()}

    assert {one for _, text in ALL for one in OPTION.findall(text)} <= known


def test_every_variable_that_a_text_names_is_read() -> None:
    read = {text for _, text in [*TEXTS[PACKAGE], *TEXTS[PLUGIN]] if VARIABLE.fullmatch(text)}

    assert {one for _, text in ALL for one in VARIABLE.findall(text)} <= read


def test_a_user_of_provisioner_is_told_of_no_key_of_pytest() -> None:
    assert [(file, text) for file, text in TEXTS[PACKAGE] if KEY.search(text)] == []


def test_the_hint_of_a_deadline_names_what_every_command_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("provisioner.deadlines._scale", None)  # nobody has set it
    (name,) = VARIABLE.findall(slow_hint())
    before = float(slow_hint().partition("=")[2])

    monkeypatch.setenv(name, "7")

    assert before == 5
    assert slow_hint().endswith("=35")


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "1001", "much", "1e9"])
def test_a_factor_that_is_none_is_one_line(text: str) -> None:
    with pytest.raises(IsolationError, match=r"^X must be a number above 0, at most 1000, not '"):
        scale_of(text, "X")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["up", "--timeout-scale", "3", "a"], ["--timeout-scale", "3", "up", "a"]),
        (["up", "--timeout-scale=3"], ["--timeout-scale=3", "up"]),
        (["daemon", "docker", "--", "x", "--timeout-scale=3"], ["daemon", "docker", "--", "x", "--timeout-scale=3"]),
        (["up"], ["up"]),
    ],
)
def test_the_option_counts_behind_a_command_too(given: list[str], expected: list[str]) -> None:
    assert scale_first(given) == expected
