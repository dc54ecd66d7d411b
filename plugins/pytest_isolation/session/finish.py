"""The end of a session: the matrix on the terminal, and the files of the report.

In: a `State`.
Out: printed lines, DIR/facts/*.json, DIR/results.json, DIR/index.html, and the exit status.
"""

from __future__ import annotations

import pytest

from provisioner.errors import IsolationError
from provisioner.faults.explain import explained
from provisioner.terminal import takes_unicode
from pytest_isolation.escape import escape
from pytest_isolation.judge.compare import compare_attached
from pytest_isolation.policy.archived import dump_policy
from pytest_isolation.policy.expected import bundled_ids
from pytest_isolation.policy.verdict import Judgement
from pytest_isolation.report.folder import write_report
from pytest_isolation.report.spans import write_lines
from pytest_isolation.report.terminal import draw
from pytest_isolation.results import model as r
from pytest_isolation.results.build import assemble
from pytest_isolation.session.interrupt import is_interrupted
from pytest_isolation.session.state import State
from pytest_isolation.session.suite import is_selected, not_judged


def finish_session(session: pytest.Session, state: State) -> None:
    """
    Write the report, end every sandbox, and set the exit status.

    The report is written first, because the end of a sandbox may take long.  It is written again if something outside
    has changed by then.  The session fails if that must not change, if more was skipped than --isolation-max-skip
    allows, and if checks of the suite were not judged though the command line asks for them.  A report that cannot be
    written is exit status 4; the matrix is printed all the same.

    Args:
        session: pytest's session.
        state: the state of our session.
    """
    if is_interrupted(session):
        state.interrupted = f"{len(state.judged)} of {len(state.collected | state.judged)} checks judged"
    else:
        state.not_judged = not_judged(session, state)
    try:
        _write(session, state)
    finally:
        state.release()
    state.moved = state.hosts.moved()
    if state.moved:
        _write(session, state)
    if state.moved and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if state.not_judged and session.exitstatus == pytest.ExitCode.OK and not is_selected(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    skipped = sum(cell.judgement is Judgement.NONE for cell in state.cells.values())
    if state.options.max_skip is not None and skipped > state.options.max_skip and session.exitstatus == 0:
        state.too_many_skipped = skipped
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    reporter: pytest.TerminalReporter | None = session.config.pluginmanager.get_plugin("terminalreporter")
    if reporter is not None and session.exitstatus not in list(pytest.ExitCode):
        print_results(reporter, state)  # pytest has no summary after SIGTERM


def _write(session: pytest.Session, state: State) -> None:
    directory = state.options.report
    if directory is None:
        return
    try:
        with explained():
            policy = _settings(session, state)
            write_report(directory, state.records, make_results(state), clean=True, policy=policy)
    except IsolationError as error:
        state.not_written = f"the report '{directory}' is not complete: {escape(str(error))}"
        session.exitstatus = pytest.ExitCode.USAGE_ERROR


def _settings(session: pytest.Session, state: State) -> bytes:
    """Return the settings of the run, by which `isolation judge` judges its facts again."""
    ids = {cell.check.id for cell in state.cells.values()}
    own = {one for one in ids if one.partition("[")[0] not in bundled_ids()}
    whole = state.suite and not state.not_judged and not state.interrupted and not is_selected(session.config)
    return dump_policy(state.policy, None if whole else ids - own, own)


def make_results(state: State) -> r.Results:
    """Return the results: the session's cells, targets, hosts and what was left out."""
    return assemble(
        state.cells.values(),
        state.records,
        [r.Skipped(what=one.what, reason=one.reason, mend=one.mend) for one in state.skipped],
        state.policy,
        [r.Setting(name=name, value=_value(state, name), source=source) for name, source in state.options.sources],
        {name: one.times for name, one in state.measurements.items()},
        compare_attached(state.cells.values(), state.stock),
        state.moved,
        state.interrupted,
        state.not_judged,
    )


def _value(state: State, name: str) -> str:
    value = getattr(state.options, name.removeprefix("isolation_") + ("s" if name.endswith("runtime") else ""), "")
    return ",".join(value) if isinstance(value, tuple) else str(value)


def print_results(reporter: pytest.TerminalReporter, state: State) -> None:
    """Print the matrix, the findings and where the report is."""
    if not state.cells:
        for one in state.skipped:
            reporter.write_line(f"isolation: left out {one.what}: {one.reason}; {one.mend}")
        if state.interrupted:
            reporter.write_line(f"isolation: interrupted: {state.interrupted}")
        for line in state.not_judged:
            reporter.write_line(f"isolation: not judged: {line}", red=True)
        return
    reporter.section("isolation")
    writer = reporter._tw
    shown = reporter.config.option.tbstyle != "no"  # pytest's own section of failures shows each finding
    unicode, verbosity = takes_unicode(_encoding(reporter)), reporter.config.option.verbose
    write_lines(writer, draw(make_results(state), writer.fullwidth, unicode, not shown, verbosity))
    if state.not_written:
        reporter.write_line(f"isolation: {state.not_written}", red=True)
    elif state.options.report is not None:
        reporter.write_line(f"report: {state.options.report}/index.html")
    if state.too_many_skipped:
        most = state.options.max_skip
        reporter.write_line(
            f"isolation: {state.too_many_skipped} cells were skipped, --isolation-max-skip={most} allows no more",
            red=True,
        )


def _encoding(reporter: pytest.TerminalReporter) -> str | None:
    encoding: str | None = getattr(reporter._tw._file, "encoding", None)
    return encoding
