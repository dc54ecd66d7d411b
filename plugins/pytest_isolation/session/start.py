"""The start of a session: every target tried, what fails told in one line, and the header.

In: a State.  Out: its pool gathered, its targets settled.  Called by plugin.py in the controller.
"""

from __future__ import annotations

import signal
import threading

import pytest

from provisioner.errors import IsolationError
from pytest_isolation.escape import escape
from pytest_isolation.options import KINDS
from pytest_isolation.session.state import State

ENDED_BY_SIGTERM = 128 + signal.SIGTERM


def end_on_sigterm(config: pytest.Config) -> None:
    """Let SIGTERM end the session as Ctrl-C does, so that sandboxes are taken away; a handler of others stays."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) != signal.SIG_DFL:
        return

    def end(number: int, frame: object) -> None:
        signal.signal(signal.SIGTERM, lambda number, frame: None)  # once: what cleans up is not to be interrupted
        pytest.exit("ended by SIGTERM", returncode=ENDED_BY_SIGTERM)

    signal.signal(signal.SIGTERM, end)

    def restore() -> None:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)

    config.add_cleanup(restore)


def gather_targets(state: State, distributed: bool) -> None:
    """
    Set up all targets and settle which of them the session has.

    Args:
        state: the session's.
        distributed: whether workers will run the tests; the controller's sandboxes then end at once, and a worker
            makes one only for tests that act.

    Raises:
        pytest.UsageError: something that was named is not there (exit status 4).
    """
    from pytest_isolation.targets.select import Skipped

    try:
        state.pool.gather()
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None
    for name, failure in list(state.pool.failures.items()):
        target = state.pool.targets.pop(name)
        if target.named:
            raise pytest.UsageError(escape(str(failure)))
        state.skipped.append(
            Skipped(name, escape(failure.what.removeprefix(f"cannot start '{target.runtime.name}': ")), failure.hint)
        )
        del state.pool.failures[name]
    state.targets[:] = list(state.pool.targets)
    _require_kinds(state)
    if not state.targets:
        why = "; ".join(f"{one.what}: {one.reason} ({one.mend})" for one in state.skipped) or "no runtime is known"
        pytest.exit(f"no target is left: {why}", returncode=5)
    if distributed:
        state.pool.release()


def _require_kinds(state: State) -> None:
    present = {target.runtime.kind for target in state.pool.targets.values()}
    for kind in state.asked.required:
        if kind in KINDS and kind not in present:
            why = "; ".join(f"{one.what}: {one.reason} ({one.mend})" for one in state.skipped) or "none was asked for"
            raise pytest.UsageError(f"--isolation-require: no target of the kind {kind}: {why}")


def header_lines(state: State) -> list[str]:
    """Return what a reader needs to know of this host before the first verdict."""
    from pytest_isolation.results.build import assemble

    lines = [f"isolation: {', '.join(state.targets)} (policy: {state.policy})"]
    lines += [f"isolation: {name.removeprefix('isolation_')} from {source}" for name, source in state.asked.sources]
    for host in assemble([], state.pool.records.values(), [], state.policy).hosts:
        told = [f"kernel {host.kernel}", f"cgroup {host.cgroup}", f"LSM {host.lsm or 'unknown'}", host.accelerator]
        lines.append(f"isolation: host {host.id}: {', '.join(part for part in told if part)}")
    if state.seconds:
        lines.append(f"isolation: {state.pool.probes_run} targets observed in {state.seconds:.1f} s")
    return lines
