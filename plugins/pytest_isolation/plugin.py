"""pytest's hooks, and nothing else: each calls the module that does the work.

It is loaded in every pytest run, so it imports only pytest, the standard library and modules that do the same.
Without `--isolation` and the options that name single columns it changes nothing.
"""

from __future__ import annotations

import os
import time
from collections.abc import Generator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from pytest_isolation.fixtures import (  # noqa: F401 - fixtures are registered by being here
    host_facts,
    isolation_target,
    machine,
    peer,
    sandbox,
    sandbox_factory,
)
from pytest_isolation.options import MARKERS, add_options, is_asked, refuse_without_kind
from pytest_isolation.session.state import RUNS, STATE, TARGET, start_state, state_and_target

if TYPE_CHECKING:
    from xdist.scheduler.protocol import Scheduling
BORDER = "isolation-border"
TESTINFRA = "pytest11.testinfra"


def pytest_addoption(parser: pytest.Parser) -> None:
    add_options(parser)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None]:
    """
    Handle Ctrl-C from the first conftest.py on, before pytest captures standard error.

    A worker of pytest-xdist is known as one only later.
    """
    if is_asked(early_config.known_args_namespace) and not os.environ.get("PYTEST_XDIST_WORKER"):
        from pytest_isolation.session.interrupt import guard_session

        guard_session(early_config, worker=False)
    return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Note that the session begins."""
    config.stash[RUNS] = True


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKERS:
        config.addinivalue_line("markers", line)
    if config.option.isolation_check_runtime:
        from pytest_isolation.session.conformance import run_conformance

        run_conformance(config)
        return
    if not is_asked(config.option):
        refuse_without_kind(config.invocation_params.args)
        return
    from pytest_isolation.session.read_options import read_options

    options = read_options(config)
    from pytest_isolation.session.inputs import read_roles
    from pytest_isolation.session.interrupt import guard_session
    from pytest_isolation.session.suite import refuse_listing

    refuse_listing(config)
    config.add_cleanup(read_roles(options.roles, config.rootpath))
    workerinput = getattr(config, "workerinput", None)
    guard_session(config, worker=workerinput is not None)
    state = start_state(options, workerinput["isolation"] if workerinput else None)
    config.stash[STATE] = state
    border = config.pluginmanager.get_plugin(BORDER)
    config.add_cleanup(partial(border.close, state.close) if border else state.close)
    if workerinput is None:
        from pytest_isolation.session.collect import CellCollector

        config.pluginmanager.register(CellCollector(state), "isolation-cells")
    from pytest_isolation.session.selection import refuse_unknown, resolve_arguments
    from pytest_isolation.session.suite import SuiteCollector, add_suite

    # in a worker too: xdist passes it the arguments as the user typed them
    config.pluginmanager.register(SuiteCollector(), "isolation-suite")
    refuse_unknown(options.checks, alone=config.args_source is pytest.Config.ArgsSource.INVOCATION_DIR)
    config.args = resolve_arguments(config.args, config.invocation_params.dir)
    state.suite = add_suite(config, options.suite)


@pytest.hookimpl(tryfirst=True)
def pytest_sessionstart(session: pytest.Session) -> None:
    """Observe all targets side by side.  A worker of pytest-xdist does not: its controller did."""
    config = session.config
    state = config.stash.get(STATE, None)
    if state is None or config.option.collectonly or hasattr(config, "workerinput"):
        return
    from pytest_isolation.session.start import gather_targets

    started = time.monotonic()
    gather_targets(state, distributed=config.getoption("numprocesses", None) is not None)
    state.seconds = time.monotonic() - started


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Register the targets with testinfra, which asks for its hosts while tests are collected."""
    config = session.config
    state = config.stash.get(STATE, None)
    if state is not None and config.pluginmanager.hasplugin(TESTINFRA):
        from pytest_isolation.live.testinfra import register

        register(state.targets, state.sandboxes, config)


def pytest_report_header(config: pytest.Config) -> list[str]:
    state = config.stash.get(STATE, None)
    if state is None:
        return []
    from pytest_isolation.session.start import header_lines

    return header_lines(state)


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test on each target; the target is the first parameter of its name, see session.xdist.scope_of."""
    state = metafunc.config.stash.get(STATE, None)
    if state is not None and TARGET in metafunc.fixturenames:
        metafunc.parametrize(TARGET, list(state.targets), indirect=True, scope="session")


def pytest_itemcollected(item: pytest.Item) -> None:
    if item.config.stash.get(STATE, None) is not None:
        from pytest_isolation.session.selection import name_item

        name_item(item)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse markers that cannot mean what they seem to, and keep what --isolation-check names."""
    state = config.stash.get(STATE, None)
    if state is not None:
        from pytest_isolation.session.selection import check_own, select_items

        check_own(items, state)
        select_items(config, items, state.options.checks)


def pytest_collection_finish(session: pytest.Session) -> None:
    """Note the tests, and start the loads now: they mostly wait, while the checks over facts run."""
    state = session.config.stash.get(STATE, None)
    if state is not None:
        from pytest_isolation.session.collect import note_collected, start_loads

        note_collected(session, state)
        start_loads(session, state)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> Generator[None, object, object]:
    """Interrupt nothing after the last test: then results are written and sandboxes ended."""
    result = yield
    if session.config.stash.get(STATE, None) is not None:
        from pytest_isolation.session.interrupt import begin_undoing

        begin_undoing(session)
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Keep a check of the suite in this process, see session.forked."""
    if state_and_target(item) is None:
        return (yield)
    from pytest_isolation.session.forked import without_forking

    with without_forking(item):
        return (yield)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a check that does not apply to this kind of target, with the reason of its marker."""
    found = state_and_target(item)
    if found is not None:
        from pytest_isolation.session.collect import require_kind
        from pytest_isolation.session.outcome import drop_cell

        drop_cell(item)
        require_kind(item, found[1])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    found = state_and_target(item)
    if found is not None:
        from pytest_isolation.session.collect import judge_report

        judge_report(report, item, call, *found)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None]:
    """Undo what a destructive test did, after the teardown of its fixtures."""
    result = yield
    found = state_and_target(item)
    if found is not None and item.get_closest_marker("isolation_destructive") is not None:
        state, target = found
        state.sandboxes.roll_back(target)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Write the results, and then end the sandboxes; first of all plugins, since others may need long to end."""
    state = session.config.stash.get(STATE, None)
    if state is None:
        return
    from pytest_isolation.session.interrupt import begin_undoing

    begin_undoing(session)
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        from pytest_isolation.session.worker import worker_output

        output["isolation"] = worker_output(state)
        return
    if session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        state.hosts.abort()
    if session.config.option.collectonly or not state.measurements:
        state.release()
        return
    from pytest_isolation.session.finish import finish_session

    finish_session(session, state)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    state = config.stash.get(STATE, None)
    if state is None:
        return
    from pytest_isolation.session.finish import print_results

    print_results(terminalreporter, state)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Send a worker of pytest-xdist what was observed."""
    state = node.config.stash.get(STATE, None)
    if state is not None:
        from pytest_isolation.session.worker import worker_input

        node.workerinput["isolation"] = worker_input(state)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_node_collection_finished(node: Any, ids: Sequence[str]) -> None:
    """Note the tests: every worker collects all of them."""
    state = node.config.stash.get(STATE, None)
    if state is not None:
        from pytest_isolation.session.xdist import scope_of

        state.collected |= {one for one in ids if scope_of(one, state.targets) != one}


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Add what a worker measured."""
    state = node.config.stash.get(STATE, None)
    output = getattr(node, "workeroutput", None) or {}
    if state is not None and "isolation" in output:
        from pytest_isolation.session.worker import merge_worker

        merge_worker(state, output["isolation"])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Scheduling | None:
    """Keep each target on one worker, unless the user gave --dist."""
    if config.stash.get(STATE, None) is None or any(arg.startswith("--dist") for arg in config.invocation_params.args):
        return None
    from pytest_isolation.session.xdist import TargetScheduling

    scheduling: Scheduling = TargetScheduling(config, log)
    return scheduling


@pytest.hookimpl(wrapper=True, specname="pytest_cmdline_main")
def pytest_isolation_border(
    config: pytest.Config,
) -> Generator[None, int | pytest.ExitCode, int | pytest.ExitCode]:
    """Put what the environment does not allow in one line.  A worker of pytest-xdist has a controller that prints."""
    if not is_asked(config.option) or hasattr(config, "workerinput"):
        return (yield)
    from pytest_isolation.session.border import Border, run_session

    border = Border()
    config.pluginmanager.register(border, BORDER)
    return (yield from run_session(border))
