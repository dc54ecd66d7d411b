"""Finds the checks of a user's module, for records that are judged again.

In: a Python file.  Out: its tests with the marker `isolation`, as functions whose arguments are fixtures; a
parametrised test once for each of its parameters, with the id that it has in a session.
"""

from __future__ import annotations

import importlib.util
import inspect
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from provisioner.errors import IsolationError
from pytest_isolation.judge.judge import CheckFunction, check_ids, check_of_function, suite_ids, tests_of

MEND = "name the module that pytest --isolation ran"
# pytest collects this one file, by its own rules: ids of parameters are the session's
COLLECT = (
    *("--collect-only", "--disable-plugin-autoload", "--noconftest", "--assert=plain", "-c", os.devnull),
    *("-p", "no:terminal", "-p", "no:cacheprovider", "-p", "no:faulthandler"),
)


class ParametrisedCheck:
    """
    A test with one set of its parameters; called with the other arguments.

    Args:
        item: the test, as pytest collected it.
    """

    def __init__(self, item: pytest.Function) -> None:
        self.item, self._function = item, item.obj
        direct = {name for mark in item.iter_markers("parametrize") for name in _direct(mark)}
        self._values = {name: value for name, value in item.callspec.params.items() if name in direct}
        signature = inspect.signature(self._function)
        left = [value for name, value in signature.parameters.items() if name not in self._values]
        self.__signature__ = signature.replace(parameters=left)

    def __call__(self, **fixtures: object) -> object:
        """Run the test."""
        return self._function(**fixtures, **self._values)


def _direct(mark: pytest.Mark) -> list[str]:
    """Return the parameters that a test gets as they are; the others are for fixtures, which do not run here."""
    given = mark.args[0] if mark.args else mark.kwargs.get("argnames", "")
    names = [name.strip() for name in given.split(",")] if isinstance(given, str) else list(given)
    indirect = mark.kwargs.get("indirect", False)
    return [name for name in names if name not in (names if indirect is True else indirect or ())]


def own_checks(file: Path) -> list[CheckFunction]:
    """
    Return the checks of a user's module: its tests with the marker `isolation`.

    Args:
        file: the module.

    Raises:
        IsolationError: the module cannot be imported, or holds no check.
    """
    functions = [function for function in tests_of(_import(file)) if not check_of_function(function).is_own]
    for taken in sorted(check_ids(functions) & set(suite_ids())):
        raise IsolationError(f"cannot use {file}: '{taken}' is a check of the bundled suite", "choose another id")
    if not functions:
        raise IsolationError(f"{file} holds no test with the marker 'isolation' and an id", MEND)
    names = {function.__name__ for function in functions if _is_parametrised(function)}
    cases: dict[str, list[CheckFunction]] = {name: [] for name in names}
    for item in _collect(file) if names else ():
        if item.originalname in names:
            cases[item.originalname].append(ParametrisedCheck(item))
    return [case for function in functions for case in cases.get(function.__name__, [function])]


def _import(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None or not file.is_file():
        raise IsolationError(f"cannot read {file}: no such Python module", MEND)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(file.resolve().parent))  # as pytest does: a module may import its neighbours
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a module of a user may raise anything
        raise IsolationError(f"cannot import {file}: {type(error).__name__}: {error}", MEND) from error
    finally:
        sys.path.pop(0)
    return module


def _is_parametrised(function: Any) -> bool:
    marks = (getattr(mark, "mark", mark) for mark in getattr(function, "pytestmark", ()))
    return any(mark.name == "parametrize" for mark in marks)


class _Collector:
    """A plugin of pytest that keeps what was collected, and why something was not."""

    def __init__(self) -> None:
        self.items: list[pytest.Function] = []
        self.failed = ""

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.failed = next(reversed(str(report.longrepr).strip().splitlines()), "").removeprefix("E ").strip()

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.items = [item for item in session.items if isinstance(item, pytest.Function)]


def _collect(file: Path) -> list[pytest.Function]:
    """
    Return the tests of a module as pytest collects them, without settings, conftest.py and plugins.

    Raises:
        IsolationError: it cannot be collected.
    """
    collector = _Collector()
    variables = {name: os.environ.pop(name) for name in ("PYTEST_ADDOPTS", "PYTEST_PLUGINS") if name in os.environ}
    try:
        status = pytest.main([*COLLECT, f"--rootdir={file.resolve().parent}", str(file.resolve())], [collector])
    finally:
        os.environ.update(variables)
    if status not in (pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED):
        raise IsolationError(f"cannot collect {file}: {collector.failed or f'exit status {int(status)}'}", MEND)
    return collector.items
