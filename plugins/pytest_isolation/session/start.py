"""The start of a session: observes every target, and writes the header.

In: a `State` with the targets that were selected.
Out: the same with the targets that could be observed, and what is known of each.
"""

from __future__ import annotations

import pytest

from provisioner.errors import IsolationError
from pytest_isolation.escape import escape
from pytest_isolation.options import KINDS
from pytest_isolation.session.state import State

DISTRUST = "find out what answers in its place: the image, its entrypoint, what is mounted over the probe"


def gather_targets(state: State, distributed: bool) -> None:
    """
    Observe all targets, and keep those that could be observed.

    A sandbox that starts and then answers something else than facts keeps its column, if there is another one: all that
    it should have shown is unknown.

    Args:
        state: the session's state.
        distributed: whether workers will run the tests.  The controller's sandboxes then end at once, and a worker
            creates one only for tests that act.

    Raises:
        pytest.UsageError: something that was named is not there (exit status 4).
    """
    from pytest_isolation.observe.gather import gather
    from pytest_isolation.observe.views import why_silent
    from pytest_isolation.targets.target import Skipped

    try:
        gathered = gather(list(state.targets.values()), state.sandboxes)
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None
    for failure in gathered.failures:
        target = failure.target
        if target.named:
            raise pytest.UsageError(escape(str(failure.error)))
        reason = failure.error.what.removeprefix(f"cannot start '{target.runtime.name}': ")
        state.skipped.append(Skipped(target.id, escape(reason), failure.error.hint))
    silent = {one.target.id: why for one in gathered.observed if (why := why_silent(one.record))}
    if silent and len(silent) == len(gathered.observed):
        raise pytest.UsageError(escape(next(iter(silent.values()))))
    state.skipped += [Skipped(name, f"its facts are no facts: {escape(why)}", DISTRUST) for name, why in silent.items()]
    state.measurements = {one.target.id: one for one in gathered.observed}
    state.targets = {name: one.target for name, one in state.measurements.items()}
    state.stock = gathered.stock
    _require_kinds(state)
    if not state.targets:
        pytest.exit(f"no target is left: {_why_skipped(state) or 'no runtime is known'}", returncode=5)
    if distributed:
        state.release()


def _require_kinds(state: State) -> None:
    present = {target.runtime.kind for target in state.targets.values()}
    for kind in state.options.required:
        if kind in KINDS and kind not in present:
            why = _why_skipped(state) or "none was asked for"
            raise pytest.UsageError(f"--isolation-require: no target of the kind {kind}: {why}")


def _why_skipped(state: State) -> str:
    return "; ".join(f"{one.what}: {one.reason} ({one.mend})" for one in state.skipped)


def header_lines(state: State) -> list[str]:
    """Return the header's lines: the targets, the policy, where settings come from, and the hosts."""
    from pytest_isolation.results.build import assemble

    lines = [f"isolation: {', '.join(state.targets)} (policy: {state.policy})"]
    lines += [f"isolation: {name.removeprefix('isolation_')} from {source}" for name, source in state.options.sources]
    for target in state.targets.values():
        if target.command:
            lines.append(f"isolation: {target.id} is started by: {target.command[:200]}")
            lines += [f"isolation: {target.id}: {one}" for one in target.changed]
    for host in assemble([], state.records, [], state.policy).hosts:
        parts = [
            f"kernel {host.kernel}" if host.kernel else "",
            *((host.unseen,) if host.unseen else (f"cgroup {host.cgroup}", f"LSM {host.lsm or 'unknown'}")),
            host.accelerator,
        ]
        lines.append(f"isolation: host {host.id}: {', '.join(part for part in parts if part)}")
    if state.seconds:
        lines.append(f"isolation: {len(state.measurements)} targets observed in {state.seconds:.1f} s")
    return lines
