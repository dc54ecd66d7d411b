"""Judges archived records again, without a host and without a pytest run.

In: facts/<target>-<hash>.json files and a `Policy`.
Out: `Results`.  Calls the functions of the checks; their arguments are fixtures that are made from a record.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest_isolation.suite
from pytest_isolation.judge.evidence import show_evidence
from pytest_isolation.policy.policy import Policy, Ruling
from pytest_isolation.policy.remedies import remedy_for, reproduce_for
from pytest_isolation.policy.verdict import Cell, Check, Judgement, Verdict, check_of, verdict_of
from pytest_isolation.records.read import load_record
from pytest_isolation.records.record import ATTACHED, Record
from pytest_isolation.records.view import judge_fixtures
from pytest_isolation.results import model as r
from pytest_isolation.results.build import assemble
from pytest_isolation.results.notes import known_by

CheckFunction = Callable[..., Any]
SOUND = (Verdict.HOLDS, Verdict.NOT_APPLICABLE)  # nothing needs a remedy


def judge_files(
    paths: Iterable[Path], policy: Policy, own: Iterable[CheckFunction] = (), only: Collection[str] | None = None
) -> tuple[r.Results, list[Record]]:
    """
    Read records and judge each with every check of the bundled suite.

    Args:
        paths: the archived records.
        policy: how verdicts are judged.
        own: further checks of the user.
        only: the checks of the suite that are run; None for all.

    Returns:
        The results, and the records that were read.

    Raises:
        IsolationError: a file is not a record.
    """
    records = [load_record(path) for path in paths]
    return judge_records(records, policy, own, only), records


def judge_records(
    records: Sequence[Record],
    policy: Policy,
    own: Iterable[CheckFunction] = (),
    only: Collection[str] | None = None,
) -> r.Results:
    """
    Judge each record with every check of the bundled suite.

    Args:
        records: what was observed.
        policy: how verdicts are judged.
        own: further checks of the user.
        only: the checks of the suite that are run; None for all.
    """
    suite = suite_checks()
    functions = [*(one for one in suite if only is None or check_of_function(one).id in only), *own]
    cells: list[Cell] = []
    skipped: list[r.Skipped] = []
    for record in records:
        fixtures = judge_fixtures(record)
        for function in functions:
            lacking = [name for name in _asked_by(function) if name not in fixtures]
            if lacking:
                skipped.append(_left_out(function, lacking, fixtures))
            else:
                cells.append(judge_check(function, record, fixtures, policy))
    return assemble(cells, records, skipped, policy)


def suite_checks(package: ModuleType = pytest_isolation.suite) -> list[CheckFunction]:
    """Return the tests in all modules of the suite, in the order of packages, modules and lines."""
    # a package that cannot be imported is no package without checks: its error is raised again
    found = pkgutil.walk_packages(package.__path__, f"{package.__name__}.", onerror=importlib.import_module)
    names = (info.name for info in found)
    modules = (name for name in names if name.rpartition(".")[2].startswith("test_"))
    return [function for name in modules for function in tests_of(importlib.import_module(name))]


@cache
def _bundled_checks() -> tuple[CheckFunction, ...]:
    return tuple(suite_checks())


@cache
def suite_ids() -> tuple[str, ...]:
    """Return the ids of all checks of the suite."""
    return tuple(check_of_function(function).id for function in suite_checks())


def check_ids(functions: Iterable[CheckFunction]) -> set[str]:
    """Return the ids of these checks, without parameters."""
    return {check_of_function(function).id.partition("[")[0] for function in functions}


def tests_of(module: ModuleType) -> list[CheckFunction]:
    """Return the tests of a module, in the order of lines."""
    functions = [
        value
        for name, value in vars(module).items()
        if name.startswith("test_") and inspect.isfunction(value) and value.__module__ == module.__name__
    ]
    return sorted(functions, key=lambda function: function.__code__.co_firstlineno)


def judge_check(function: CheckFunction, record: Record, fixtures: dict[str, object], policy: Policy) -> Cell:
    """
    Run one check over one record, and judge its verdict.

    Args:
        function: the check.
        record: the record.
        fixtures: the record's fixtures by name, from `judge_fixtures`.
        policy: how the verdict is judged.
    """
    return judge_verdict(check_of_function(function), record, policy, *observed_by(function, record, fixtures))


def judge_record(record: Record) -> dict[str, tuple[Verdict, str]]:
    """Return the verdict and reason of each check of the bundled suite that needs only facts, by check."""
    fixtures = judge_fixtures(record)
    return {
        check_of_function(function).id: observed_by(function, record, fixtures)
        for function in _bundled_checks()
        if fixtures.keys() >= set(_asked_by(function))
    }


def observed_by(function: CheckFunction, record: Record, fixtures: dict[str, object]) -> tuple[Verdict, str]:
    """
    Run one check over one record; return the verdict and its reason.

    Args:
        function: the check.
        record: the record.
        fixtures: the record's fixtures by name, from `judge_fixtures`.
    """
    check = check_of_function(function)
    why = not_meant(check, record.target.kind) or (ATTACHED if check.active and record.target.attached else "")
    if why:
        return Verdict.NOT_APPLICABLE, why
    given = {name: fixtures[name] for name in _asked_by(function)}
    try:
        function(**given)
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # pytest's skip is a BaseException, not an Exception
        return verdict_of(error)
    return Verdict.HOLDS, ""


# once for each check, not for each record


@cache
def check_of_function(function: CheckFunction) -> Check:
    """Return the check that a function is; of a parametrised one (own.py), with its parameters in the id."""
    return check_of(getattr(function, "item", function))


@cache
def _asked_by(function: CheckFunction) -> tuple[str, ...]:
    """Return the fixtures that a check asks for: a parameter with a default is none, as in pytest."""
    parameters = inspect.signature(function).parameters.values()
    return tuple(one.name for one in parameters if one.default is inspect.Parameter.empty)


def not_meant(check: Check, kind: str) -> str:
    """Return why a check does not apply to a kind of target, "" if it does."""
    if kind in check.kinds:
        return ""
    return check.kinds_reason or f"asked of {' and '.join(check.kinds)} targets only"


def judge_verdict(check: Check, record: Record, policy: Policy, verdict: Verdict, reason: str) -> Cell:
    """
    Judge one verdict; return the cell, with the facts that the check shows.

    Args:
        check: the check.
        record: what was observed of the target.
        policy: how the verdict is judged.
        verdict: the verdict.
        reason: the reason of the verdict.
    """
    target = record.target
    ruling = policy.judge(check, target.kind, target.id, target.runtime, target.conditions, verdict, reason)
    if ruling.judgement is Judgement.FINDING and check.documented_as and verdict is not Verdict.UNKNOWN:
        ruling = _documented_as(check.documented_as, record, policy) or ruling
    inside, outside = show_evidence(record, check.shows)
    verdict = ruling.verdict or verdict
    lost = ruling.judgement is Judgement.FINDING and verdict is not Verdict.UNKNOWN
    return Cell(
        check=check,
        target=target.id,
        verdict=verdict,
        judgement=ruling.judgement,
        reason="; ".join(part for part in (reason, ruling.reason) if part),
        source=ruling.source,
        waiver=ruling.waiver,
        inside=inside,
        outside=outside,
        reproduce=reproduce_for(check, target.runtime),
        remedy="" if verdict in SOUND else remedy_for(check, target.runtime, verdict, reason, target.conditions),
        known=known_by(check.id, record) if lost else (),
    )


def _documented_as(name: str, record: Record, policy: Policy) -> Ruling | None:
    """Return the ruling of a bundled check on this target if its open wall is documented."""
    function = next(one for one in _bundled_checks() if check_of_function(one).id == name)
    fixtures = judge_fixtures(record)
    if not fixtures.keys() >= set(_asked_by(function)):
        return None
    cell = judge_check(function, record, fixtures, policy)
    if cell.judgement is not Judgement.DOCUMENTED or cell.verdict is Verdict.UNKNOWN:
        return None
    return Ruling(Judgement.DOCUMENTED, source=f"as {name}: {cell.source}")


def _left_out(function: CheckFunction, lacking: Iterable[str], there: Iterable[str]) -> r.Skipped:
    return r.Skipped(
        what=check_of_function(function).id,
        reason=f"asks for {', '.join(lacking)}: an archive has only {', '.join(there)}",
        mend="run it with pytest --isolation",
    )
