"""What one pytest session knows while it runs: what was asked, its pool, its policy, its cells.

In: `RunOptions`.  Out: `State`, kept in config.stash.  Called by plugin.py and fixtures.py.
Imports heavy modules only inside functions: without `--isolation` none of them is loaded.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from provisioner.errors import IsolationError
from pytest_isolation.options import RunOptions

if TYPE_CHECKING:
    from provisioner.machines.lab import Lab
    from pytest_isolation.observe.pool import Pool
    from pytest_isolation.policy.policy import Policy
    from pytest_isolation.policy.verdict import Cell
    from pytest_isolation.records.view import SandboxView
    from pytest_isolation.targets.select import Skipped

STATE: pytest.StashKey[State] = pytest.StashKey()


@dataclass
class State:
    """
    One session's, or one worker's.

    Attributes:
        asked: what the user asked for.
        targets: the ids of the columns, in their order.
        skipped: what was left out, with reason and mend.
        pool: where sandboxes are leased from.
        policy: how verdicts are judged.
        cells: what was judged so far, in the controller.
        seconds: how long setting up took.
        moved: what changed outside during the run and must not have.
    """

    asked: RunOptions
    targets: list[str]
    skipped: list[Skipped]
    pool: Pool
    policy: Policy
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    seconds: float = 0.0
    failed: set[str] = field(default_factory=set)
    too_many: int = 0
    moved: list[str] = field(default_factory=list)

    def view(self, target: str, peer: bool = False) -> SandboxView:
        """
        Return the sandbox as a check sees it.

        Raises:
            IsolationError: the target could not be set up; the second time it only says "see first".
        """
        from pytest_isolation.live.sandbox import LiveView

        failure = self.pool.failures.get(target)
        if failure is not None:
            if target in self.failed:
                raise IsolationError(f"'{target}' could not be set up: see first")
            self.failed.add(target)
            raise failure
        return LiveView(self.pool, target, peer)


def start_state(asked: RunOptions, workerinput: dict[str, Any] | None) -> State:
    """
    Select the targets and make the policy; starts nothing.

    Args:
        asked: what the user asked for.
        workerinput: what the controller gathered, in a worker of pytest-xdist.

    Raises:
        pytest.UsageError: something asked for cannot be meant.
    """
    from provisioner.deadlines import set_scale
    from pytest_isolation.observe.hosts import Hosts
    from pytest_isolation.observe.pool import Pool
    from pytest_isolation.records.record import parse_record
    from pytest_isolation.targets.select import named_target, select_targets

    set_scale(asked.scale)
    policy = make_policy(asked.profile, asked.waivers, asked.expected)
    skipped: list[Skipped] = []
    lab = read_lab(asked)
    if workerinput is None:
        targets, skipped = select_targets(asked, lab)
        pool = Pool(targets, Hosts(asked.kernel, lab))
    else:
        records = {name: parse_record(text.encode(), name) for name, text in workerinput["records"].items()}
        targets = [named_target(name, host) for name, host in workerinput["targets"]]
        pool = Pool(targets, Hosts(asked.kernel, lab, worker=True), records)
        pool.failures = {name: IsolationError(*parts) for name, parts in workerinput["failures"].items()}
    require_remedies({target.runtime.name for target in targets})
    return State(asked, [target.id for target in targets], skipped, pool, policy)


def read_lab(asked: RunOptions) -> Lab | None:
    """
    Read the lab when a machine was named.

    Raises:
        pytest.UsageError: it cannot be read, in one line, or what machines need is not installed.
    """
    if not asked.needs_lab:
        return None
    from importlib.util import find_spec

    from provisioner.machines.lab import load_lab

    if find_spec("fabric") is None:
        raise pytest.UsageError("machines of lab.yaml need Fabric: pip install 'pytest-isolation[lab]'")
    try:
        return load_lab(asked.lab)
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None


def make_policy(profile: str, waivers: Path | None, own: Path | None = None) -> Policy:
    """
    Read the profile, the waivers, every runtime's documented exceptions and a user's own.

    Raises:
        pytest.UsageError: a name or a file that cannot be read, in one line.
    """
    from provisioner.paths import ROLES
    from pytest_isolation.policy.expected import join_expected, load_expected, load_own_expected
    from pytest_isolation.policy.policy import Policy
    from pytest_isolation.policy.profile import parse_profile
    from pytest_isolation.policy.waivers import load_waivers

    try:
        expected = {path.parent.name: load_expected(path) for path in sorted(ROLES.glob("*/expected.yaml"))}
        if own is not None:
            expected = join_expected(expected, load_own_expected(own, [*expected, "pid"]))
        return Policy(
            profile=parse_profile(profile) if profile else None,
            expected=expected,
            waivers=load_waivers(waivers) if waivers else (),
        )
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None


def require_remedies(runtimes: Iterable[str]) -> None:
    """
    Read the remedies of these runtimes: what is wrong with a file is said before anything starts.

    Raises:
        pytest.UsageError: one cannot be read, in one line.
    """
    from pytest_isolation.policy.remedies import load_remedies

    try:
        for runtime in sorted(runtimes):
            load_remedies(runtime)
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None


def worker_input(state: State) -> dict[str, Any]:
    """Return what a worker needs to judge without observing again."""
    from pytest_isolation.records.record import dump_record

    return {
        "targets": [(target.id, target.host) for target in state.pool.targets.values()],
        "records": {name: dump_record(record).decode() for name, record in state.pool.records.items()},
        "failures": {name: [error.what, error.hint, error.log] for name, error in state.pool.failures.items()},
    }


def worker_output(state: State) -> str:
    """Return what a worker measured, for the controller's archive."""
    from provisioner.observed import is_missing
    from provisioner.sandboxes.teardown import TeardownResult

    measured = {
        name: [
            record.loads.model_dump(mode="json", by_alias=True),
            record.reaches.model_dump(mode="json", by_alias=True),
            None
            if is_missing(record.raw("residue"))
            else TeardownResult(**{one: record.raw(one) for one in TeardownResult.model_fields}).model_dump(
                mode="json"
            ),
        ]
        for name, record in state.pool.records.items()
    }
    return json.dumps({"measured": measured, "probes_run": state.pool.probes_run})


def merge_worker(state: State, output: str) -> None:
    """Add what a worker measured to the controller's records."""
    from provisioner.facts.reach import Reaches
    from provisioner.limits.document import Loads
    from provisioner.sandboxes.teardown import TeardownResult

    told = json.loads(output)
    state.pool.probes_run += told["probes_run"]
    for name, (loads, reaches, end) in told["measured"].items():
        state.pool.add(
            name,
            loads=Loads.model_validate_json(json.dumps(loads)).root,
            reaches=Reaches.model_validate_json(json.dumps(reaches)).root,
            end=None if end is None else TeardownResult.model_validate_json(json.dumps(end)),
        )
