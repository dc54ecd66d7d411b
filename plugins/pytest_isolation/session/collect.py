"""Turns the end of a test into a judged cell, and counts and collects the cells of a session.

In: the collected tests; pytest's report and call; the session's state.
Out: the same report with the outcome of the judgement (outcome.py), and a `Cell` in it.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from provisioner.errors import IsolationError
from pytest_isolation.judge.judge import judge_verdict, not_meant
from pytest_isolation.policy.raised import NotAsked
from pytest_isolation.policy.verdict import RANKS, Check, Verdict, check_of, verdict_of
from pytest_isolation.records.record import ATTACHED
from pytest_isolation.session.outcome import apply_judgement, carry_cell, cell_of, neutralise
from pytest_isolation.session.state import State, state_and_target
from pytest_isolation.session.suite import in_suite
from pytest_isolation.targets.target import Target


class CellCollector:
    """Collects the cells that reports carry; in the controller also those of workers."""

    def __init__(self, state: State) -> None:
        self._state = state

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep the cell; of a test that a plugin repeats, the worst one."""
        if str(report.when) == "???":  # the phase that pytest-xdist and pytest-forked name for a test that ended them
            self._state.died.add(report.nodeid)
        cell = cell_of(report)
        if cell is None or str(report.outcome) == "rerun":  # pytest-rerunfailures tries the failure again
            return
        self._state.judged.add(report.nodeid)
        place = (cell.check.id, cell.target)
        before = self._state.cells.get(place)
        if before is None or RANKS.index(cell.judgement) >= RANKS.index(before.judgement):
            self._state.cells[place] = cell


def note_collected(session: pytest.Session, state: State) -> None:
    """Note the tests with a target; a controller of pytest-xdist collects none, its workers tell it theirs."""
    state.collected |= {item.nodeid for item in session.items if state_and_target(item) is not None}


def start_loads(session: pytest.Session, state: State) -> None:
    """Start the loads of the targets whose limits are checked, unless a worker of pytest-xdist runs the tests."""
    config = session.config
    if config.option.collectonly or config.getoption("numprocesses", None) is not None:
        return
    if hasattr(config, "workerinput") or not state.measurements:
        return
    loaded = {
        found[1].id: state.measurements[found[1].id]
        for item in session.items
        if (mark := item.get_closest_marker("isolation")) and mark.args and str(mark.args[0]).startswith("lim.")
        if (found := state_and_target(item))
    }
    state.background.start(loaded.values())


def _check(item: pytest.Item) -> Check:
    """Return the check that a test is; a parameter that somebody adds to the suite's tests changes no id."""
    check = check_of(item)
    return replace(check, id=check.id.partition("[")[0]) if in_suite(item.path) else check


def require_kind(item: pytest.Item, target: Target) -> None:
    """Skip a check that has no meaning for this kind of target, and one that acts on an attached sandbox."""
    check = _check(item)
    reason = not_meant(check, target.runtime.kind)
    if target.attached is not None and (check.active or item.get_closest_marker("isolation_destructive")):
        reason = ATTACHED
    if reason:
        raise NotAsked(reason)


def judge_report(
    report: pytest.TestReport, item: pytest.Item, call: pytest.CallInfo[None], state: State, target: Target
) -> None:
    """
    Judge the phase that ended the test: its call, or a setup that skipped or failed.

    Args:
        report: pytest's report of the phase; it gets the outcome of the judgement, and carries the cell.
        item: the test.
        call: how the phase ended.
        state: the session's state.
        target: the target that the test ran on.
    """
    if call.when not in ("setup", "call") or (call.when == "setup" and call.excinfo is None):
        return
    error = call.excinfo.value if call.excinfo else None
    skipped = isinstance(error, pytest.skip.Exception) and not isinstance(error, NotAsked)
    if call.when == "setup" and skipped and in_suite(item.path):
        return  # a mark, a fixture or a hook of somebody else skipped the check: it was not judged
    verbosity = getattr(item.config.option, "verbose", 0)  # of pytest's terminal plugin, which `-p no:terminal` drops
    verdict, reason = verdict_of(call.excinfo)
    check = _check(item)
    cell = judge_verdict(check, state.measurements[target.id].record, state.policy, verdict, reason)
    if call.when == "setup" and verdict is not Verdict.NOT_APPLICABLE:
        # a fault of ours and not of the wall: pytest reports an error, in one line
        if isinstance(call.excinfo and call.excinfo.value, IsolationError) and verbosity < 2:
            report.longrepr = reason
    else:
        if in_suite(item.path):
            report.__dict__.pop("wasxfail", None)  # a waiver excuses a check, a mark that a hook adds does not
        apply_judgement(report, cell, verbosity, own=not in_suite(item.path))
    neutralise(report)
    carry_cell(item, report, cell)
