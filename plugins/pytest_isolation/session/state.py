"""What one pytest session knows while it runs, and how it starts to know it.

In: `RunOptions`, and in a worker of pytest-xdist what its controller gathered.
Out: `State`, kept in config.stash.  Imports heavy modules only inside functions: without `--isolation` none is loaded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_isolation.options import LOCAL, RunOptions

if TYPE_CHECKING:
    from pytest_isolation.live.sandbox import LiveView
    from pytest_isolation.observe.hosts import Hosts
    from pytest_isolation.observe.measurements import BackgroundLoads, Measurements
    from pytest_isolation.observe.sandboxes import SandboxCache
    from pytest_isolation.observe.stock import Stock
    from pytest_isolation.policy.policy import Policy
    from pytest_isolation.policy.verdict import Cell
    from pytest_isolation.records.record import Record
    from pytest_isolation.targets.target import Skipped, Target

STATE: pytest.StashKey[State] = pytest.StashKey()
RUNS: pytest.StashKey[bool] = pytest.StashKey()  # set when pytest runs a session: it then handles a KeyboardInterrupt
TARGET = "isolation_target"  # the parameter of our fixtures
TESTINFRA_HOST = "_testinfra_host"  # that of testinfra's


@dataclass
class State:
    """
    What one session knows, or one worker of it.

    Attributes:
        options: what the user asked for.
        policy: how verdicts are judged.
        targets: the columns of the matrix by id, in their order.
        skipped: what was left out, with reason and remedy.
        sandboxes: the live sandboxes, and the hosts below them.
        background: limits that are put under load while other tests run.
        measurements: what is known of each target, by id.
        stock: by the id of an attached target, the record of a stock sandbox, or why there is none.
        cells: what was judged so far, by check and target; in the controller.
        seconds: how long it took to observe all targets.
        too_many_skipped: how many cells were skipped, if that is more than --isolation-max-skip allows.
        moved: what changed outside during the run, and must not have.
        not_written: why the report cannot be written; "" if it can.
        collected: the tests with a target, by node id.
        judged: those of them with a cell.
        died: those of them that ended the process that ran them.
        suite: whether the bundled suite is run as a whole.
        not_judged: which checks of it, and which other tests, have no verdict, in lines.
        interrupted: how many of them were judged before an interrupt, in words; "" if there was none.
    """

    options: RunOptions
    policy: Policy
    targets: dict[str, Target]
    skipped: list[Skipped]
    sandboxes: SandboxCache
    background: BackgroundLoads
    measurements: dict[str, Measurements] = field(default_factory=dict)
    stock: Mapping[str, Stock] = field(default_factory=dict)
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    seconds: float = 0.0
    too_many_skipped: int = 0
    moved: list[str] = field(default_factory=list)
    not_written: str = ""
    collected: set[str] = field(default_factory=set)
    judged: set[str] = field(default_factory=set)
    died: set[str] = field(default_factory=set)
    suite: bool = False
    not_judged: list[str] = field(default_factory=list)
    interrupted: str = ""

    @property
    def hosts(self) -> Hosts:
        """The hosts of the session."""
        return self.sandboxes.hosts

    @property
    def records(self) -> list[Record]:
        """All that is known of the targets by now."""
        return [one.record for one in self.measurements.values()]

    def view(self, target: Target, peer: bool = False) -> LiveView:
        """
        Return the sandbox of a target as a test sees it.

        Args:
            target: the target.
            peer: whether to return the second sandbox beside its own.
        """
        from pytest_isolation.live.sandbox import LiveView

        return LiveView(self.measurements[target.id], self.sandboxes, peer)

    def release(self) -> None:
        """End what is measured in the background, and every sandbox; the hosts stay."""
        self.background.stop()
        self.sandboxes.release()

    def close(self) -> None:
        """End everything that the session started; safe to repeat."""
        try:
            self.background.stop()
        finally:  # an interrupt while a load ends must not keep sandboxes and machines
            self.sandboxes.close()


def state_and_target(item: pytest.Item) -> tuple[State, Target] | None:
    """Return the session's state and the target that a test runs on, by our fixtures or by testinfra's."""
    state = item.config.stash.get(STATE, None)
    callspec = getattr(item, "callspec", None)
    if state is None or callspec is None:
        return None
    backend = getattr(callspec.params.get(TESTINFRA_HOST), "backend", None)
    name = callspec.params.get(TARGET) or getattr(getattr(backend, "target", None), "id", None)
    return (state, state.targets[name]) if name in state.targets else None


def start_state(options: RunOptions, workerinput: list[dict[str, str]] | None) -> State:
    """
    Select the targets and read the policy; start nothing.

    Args:
        options: what the user asked for.
        workerinput: what the controller gathered, in a worker of pytest-xdist; else None.

    Raises:
        pytest.UsageError: something asked for is unknown or cannot be read.
    """
    from provisioner.deadlines import set_scale
    from provisioner.faults.platforms import require_linux
    from provisioner.journal.needs import Needs
    from pytest_isolation.observe.hosts import Hosts
    from pytest_isolation.observe.measurements import BackgroundLoads
    from pytest_isolation.observe.sandboxes import SandboxCache
    from pytest_isolation.session.inputs import check_paths, check_remedies, read_file, read_lab, read_policy
    from pytest_isolation.session.worker import read_measurements, read_targets
    from pytest_isolation.targets.declared import with_declared
    from pytest_isolation.targets.images import with_images
    from pytest_isolation.targets.project import with_targets
    from pytest_isolation.targets.select import select_targets

    require_linux("cannot test sandboxes")
    set_scale(options.scale)
    file = read_file(options.waivers, options.pyproject)
    missing: list[Skipped] = []
    if workerinput is None:
        options = with_targets(options, file.targets)
        options, without_image = with_images(options)
        options, not_served = with_declared(options)
        missing = [*without_image, *not_served]
    policy = read_policy(options.profile, file.waivers, options.expected, accepted=file.accepted)
    if workerinput is None:
        check_paths(options)
    lab = read_lab(options)
    measurements: dict[str, Measurements] = {}
    selected, skipped = select_targets(options, lab) if workerinput is None else (read_targets(workerinput), [])
    targets = {target.id: target for target in selected}
    programs = frozenset(name for one in selected if one.host == LOCAL for name in one.runtime.programs)
    needs = Needs(programs, machines=lab is not None)
    hosts = Hosts(options.kernel, lab, workerinput is not None, needs, options.helper)
    sandboxes = SandboxCache(hosts, "debian" if options.userland == "debian" else "shell", options.network)
    if workerinput is not None:
        measurements = read_measurements(workerinput, targets, sandboxes)
    check_remedies({target.runtime.name for target in targets.values()})
    return State(options, policy, targets, [*missing, *skipped], sandboxes, BackgroundLoads(), measurements)
