"""Selects checks by their ids, and refuses ids that mean something else than they seem to.

In: pytest's config and items.
Out: the arguments with checks in the place of their ids; the items that --isolation-check keeps; or one line that says
what is wrong, before a test runs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import pytest

from provisioner.files.suggest import suggest
from pytest_isolation.judge.fact_paths import unknown_fact
from pytest_isolation.policy.expected import bundled_ids
from pytest_isolation.policy.verdict import Check, check_of
from pytest_isolation.session.inputs import check_files
from pytest_isolation.session.state import State
from pytest_isolation.session.suite import SUITE, in_suite

_TEST = re.compile(r'mark\.isolation\(\s*"(?P<id>[a-z0-9_.]+)".*?^def (?P<name>test_\w+)', re.DOTALL | re.MULTILINE)


def name_item(item: pytest.Item) -> None:
    """Let -k find a check by its id: `-k lim.memory`."""
    mark = item.get_closest_marker("isolation")
    if mark is not None and mark.args:
        item.extra_keyword_matches.add(str(mark.args[0]))


def resolve_arguments(arguments: Iterable[str], folder: Path) -> list[str]:
    """
    Return pytest's arguments with the suite's own tests in the place of what a report prints of them.

    A report prints a check's id (lim.memory), and the node id of its test below the suite's folder
    (processes/test_limits.py::test_memory[docker]).

    Args:
        arguments: pytest's arguments, without options.
        folder: the folder that they are relative to.
    """
    return [_resolved(argument, folder) for argument in arguments]


def _resolved(argument: str, folder: Path) -> str:
    path, separator, test = argument.partition("::")
    if not path or (folder / path).exists():
        return argument
    if not separator and path in _tests():
        return _tests()[path]
    if not path.endswith(".py"):
        return argument
    found = [SUITE / path] if (SUITE / path).is_file() else sorted(SUITE.rglob(Path(path).name))
    return f"{found[0]}{separator}{test}" if len(found) == 1 else argument


@cache
def _tests() -> dict[str, str]:
    """Return the argument for each check of the suite by its id, read from its text."""
    return {
        match["id"]: f"{path}::{match['name']}"
        for path in sorted(SUITE.rglob("test_*.py"))
        for match in _TEST.finditer(path.read_text("utf-8"))
    }


def refuse_unknown(patterns: Sequence[str], alone: bool) -> None:
    """
    Refuse --isolation-check for checks that the suite lacks, where no tests of the user are collected.

    Args:
        patterns: the ids or globs.
        alone: whether only the suite is collected.

    Raises:
        pytest.UsageError: there is no such check.
    """
    for pattern in patterns if alone else ():
        _require(pattern, bundled_ids())


def _require(pattern: str, known: Iterable[str]) -> None:
    names = sorted(known)
    if not any(fnmatchcase(name, pattern) for name in names):
        mend = suggest(pattern, names, "`isolation checks` lists those of the suite")
        raise pytest.UsageError(f"--isolation-check: there is no check '{pattern}'; {mend}")


def select_items(config: pytest.Config, items: list[pytest.Item], patterns: Sequence[str]) -> None:
    """
    Deselect the tests that --isolation-check does not name.

    Args:
        config: pytest's config.
        items: the collected tests; changed in place.
        patterns: ids or globs; none for all.

    Raises:
        pytest.UsageError: no collected check has such an id.
    """
    if not patterns:
        return
    ids = {item: check_of(item).id.partition("[")[0] for item in items}
    for pattern in patterns:
        _require(pattern, {*ids.values(), *bundled_ids()})
    kept = [item for item in items if any(fnmatchcase(ids[item], pattern) for pattern in patterns)]
    left = [item for item in items if item not in set(kept)]
    if left:
        config.hook.pytest_deselected(items=left)
        items[:] = kept


def check_own(items: Iterable[pytest.Item], state: State) -> None:
    """
    Refuse own checks whose markers and files mean something else than they seem to.

    Args:
        items: the collected tests.
        state: the session's state.

    Raises:
        pytest.UsageError: an own test has the id of a bundled check, or that of another test; a marker has no id; it
            shows a fact that there is not; a file names a check that there is not.
    """
    names: dict[str, str] = {}
    for item in items:
        if in_suite(item.path):
            continue
        check = check_of(item)
        if item.get_closest_marker("isolation") is None:
            continue
        base = check.id.partition("[")[0]
        if base in bundled_ids():
            raise pytest.UsageError(f"{check.nodeid}: '{base}' is a check of the bundled suite; choose another id")
        if names.setdefault(base, check.nodeid) != check.nodeid:
            raise pytest.UsageError(f"{check.nodeid}: '{base}' is the id of {names[base]} too; choose another id")
        _check_shows(check)
    check_files(state.policy, names, waivers=True, expected=state.options.expected)


def _check_shows(check: Check) -> None:
    for path in check.shows:
        if wrong := unknown_fact(path):
            raise pytest.UsageError(f"{check.nodeid}: shows: {wrong}")
