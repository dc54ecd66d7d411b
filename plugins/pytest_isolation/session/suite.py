"""Collects the bundled suite whatever pytest's settings say, and tells which of its checks were not judged.

In: pytest's config and arguments; the cells of the session.
Out: the suite's modules with all their tests; the cells that are missing, and whether the command line left them out.
A setting of an ini file, a conftest.py or a plugin may drop or skip tests: then the run is no proof and must not be 0.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Iterable
from functools import cache
from pathlib import Path

import pytest

from pytest_isolation.session.state import State

SUITE = Path(__file__).resolve().parents[1] / "suite"
# options by which a command line asks for some of the tests, by their names in pytest's namespace
SELECTING = ("keyword", "markexpr", "deselect", "lf", "stepwise", "isolation_check")
# options by which pytest lists instead of testing, by their names in pytest's namespace
LISTING = {
    "collectonly": "--collect-only",
    "showfixtures": "--fixtures",
    "show_fixtures_per_test": "--fixtures-per-test",
}
NAMED = 5  # checks that a line names


class SuiteModule(pytest.Module):
    """A module of the suite: its tests are named test_*, whatever python_functions says."""

    def funcnamefilter(self, name: str) -> bool:
        """Tell whether this is the name of a test."""
        return name.startswith("test_")


class SuiteCollector:
    """
    Collects all modules of the suite: python_files, norecursedirs and a user's hooks do not count there.

    Args:
        folder: the suite's folder.
    """

    def __init__(self, folder: Path = SUITE) -> None:
        self._folder = folder

    @pytest.hookimpl(tryfirst=True)
    def pytest_ignore_collect(self, collection_path: Path) -> bool | None:
        return False if is_below(collection_path, self._folder) and collection_path.name != "__pycache__" else None

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collect_file(
        self, file_path: Path, parent: pytest.Collector
    ) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
        found = yield
        if is_below(file_path, self._folder) and file_path.name.startswith("test_") and file_path.suffix == ".py":
            return [SuiteModule.from_parent(parent, path=file_path)]
        return found


def is_below(path: Path, folder: Path) -> bool:
    """Tell whether a path is a folder, or below it."""
    return path == folder or folder in path.parents


def in_suite(path: Path) -> bool:
    """Tell whether a file or folder is a part of the bundled suite."""
    return is_below(path, SUITE)


def add_suite(config: pytest.Config, always: bool) -> bool:
    """
    Add the bundled suite to pytest's arguments; return whether it is run.

    Without paths on the command line the suite runs: alone, because a bare pytest would import every test file below,
    or beside the paths that the ini key testpaths names.

    Args:
        config: pytest's config.
        always: whether the suite runs beside paths of the command line too.
    """
    source = config.args_source
    if source is pytest.Config.ArgsSource.INVOCATION_DIR:
        config.args = [str(SUITE)]
    elif always or source is pytest.Config.ArgsSource.TESTPATHS:
        config.args.append(str(SUITE))
    else:
        return False
    return True


def refuse_listing(config: pytest.Config) -> None:
    """Refuse an ini file or PYTEST_ADDOPTS by which pytest only lists tests: the run would be green, nothing judged."""
    given = config._parser.parse_known_args(list(config.invocation_params.args))
    for name, option in LISTING.items():
        if getattr(config.option, name, False) and not getattr(given, name, False):
            raise pytest.UsageError(f"{option} is in addopts or PYTEST_ADDOPTS: nothing would be judged; drop it there")


def is_selected(config: pytest.Config) -> bool:
    """Tell whether the command line itself asks for some of the tests: by -k, -m, --lf, --isolation-check."""
    given = config._parser.parse_known_args(list(config.invocation_params.args))
    return any(getattr(given, name, None) for name in SELECTING)


def not_judged(session: pytest.Session, state: State) -> list[str]:
    """
    Say what has no verdict: checks of the suite if it is run, in one line for all targets that miss the same ones, and
    tests of the user.

    Args:
        session: pytest's session, at its end.
        state: the state of our session.
    """
    from pytest_isolation.judge.judge import suite_ids

    together: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for target in state.measurements if state.suite else ():
        missing = tuple(check for check in suite_ids() if (check, target) not in state.cells)
        together[missing].append(target)
    stopped = session.shouldfail or session.shouldstop
    selected = "the command line selects tests" if is_selected(session.config) else ""
    died = "a test ended the process that ran it" if state.died else ""
    why = str(stopped or died or selected or "a setting, a conftest.py or a plugin left them out")
    lines = [
        f"{len(checks)} of {len(suite_ids())} checks on {', '.join(targets)} ({_first(checks)}): {why}"
        for checks, targets in together.items()
        if checks
    ]
    own = {test for test in state.collected if not _is_of_suite(test)}
    if left := sorted(own - state.judged):
        lines.append(f"{len(left)} of {len(own)} tests ({_first(left)}): {stopped or died or 'they were not run'}")
    return lines


@cache
def _suite_names() -> tuple[str, ...]:
    from pytest_isolation.judge.judge import suite_checks

    files = ((Path(one.__code__.co_filename).relative_to(SUITE), one.__name__) for one in suite_checks())
    return tuple(f"{file.as_posix()}::{name}" for file, name in files)


def _is_of_suite(nodeid: str) -> bool:
    """Tell whether a node id names a test of the suite; its path depends on the root folder."""
    file, _, name = nodeid.partition("::")
    return f"/{file}::{name.partition('[')[0]}".endswith(tuple(f"/{one}" for one in _suite_names()))


def _first(checks: Iterable[str]) -> str:
    names = list(checks)
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
