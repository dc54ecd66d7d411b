"""Hints that ask for root: nobody who is root already gets one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import provisioner
import pytest_isolation
from provisioner.errors import unless_root

SOURCES = [
    file for package in (provisioner, pytest_isolation) for file in sorted(Path(package.__path__[0]).rglob("*.py"))
]
GUARDS = ("unless_root", "geteuid", ".root")  # a call around it, or the condition of the branch that it is in


def asking(tree: ast.AST, around: tuple[str, ...] = ()) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Return each hint that asks for root, with the calls and conditions around it."""
    for child in ast.iter_child_nodes(tree):
        here = around
        if isinstance(child, ast.Call):
            here = (*around, ast.unparse(child.func))
        elif isinstance(child, ast.If | ast.IfExp):
            here = (*around, ast.unparse(child.test))
        if isinstance(child, ast.Constant) and isinstance(child.value, str):
            if child.value.startswith(("run as root", "run it as root")):
                yield child.value, here
        else:
            yield from asking(child, here)


@pytest.mark.parametrize("uid", [0, 1000])
def test_only_others_are_asked_to_be_root(monkeypatch: pytest.MonkeyPatch, uid: int) -> None:
    monkeypatch.setattr("os.geteuid", lambda: uid)

    assert unless_root("run as root", "do that") == ("run as root" if uid else "do that")


def test_every_hint_that_asks_for_root_looks_first_who_runs_it() -> None:
    found = {
        (file.name, text): around for file in SOURCES for text, around in asking(ast.parse(file.read_text("utf-8")))
    }
    named = {"ROOT_HINT": "provisioner/linux/cgroups.py"}  # constants that `unless_root` takes

    bare = [
        place
        for place, around in found.items()
        if not any(guard in one for guard in GUARDS for one in around) and place[0] != "cgroups.py"
    ]
    assert len(found) > 5
    assert bare == []
    for name, path in named.items():
        source = (Path(provisioner.__path__[0]).parent / path).read_text("utf-8")
        uses = [line for line in source.splitlines() if name in line and not line.startswith(name)]
        assert all("unless_root(" in line for line in uses), uses
