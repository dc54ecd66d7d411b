"""A plant in one column moves no cell of any other: sandboxes made beside it are judged as without it.

Runs with `--isolation` and several columns.  While a planted sandbox is there, a new sandbox of every column, the
planted one's too, is observed and ended, and each of its cells is compared with one that was made before.
"""

from __future__ import annotations

import os
from typing import Any

import pytest
from judging import Found, judge
from plant import Plant, named
from planting import ENDED, try_plant
from plants import PLANTS

from provisioner.errors import UnobservedFact
from provisioner.facts.document import Facts
from provisioner.limits.document import CgroupFiles
from provisioner.limits.limit import Limit, find_limits
from provisioner.sandboxes.spec import Spec
from provisioner.sandboxes.teardown import TeardownResult
from pytest_isolation.fixtures import OFF
from pytest_isolation.observe.measurements import Measurements
from pytest_isolation.observe.views import observe_sandbox
from pytest_isolation.options import LOCAL
from pytest_isolation.policy.verdict import Verdict
from pytest_isolation.records.record import Record
from pytest_isolation.session.state import STATE, State

# Plants that share something with the host or with a neighbour, by runtime; PYTEST_ISOLATION_MATRIX=all: every plant.
SHARING: dict[str, tuple[str, ...]] = {
    "runc": (
        "no pid namespace",
        "no ipc namespace",
        "no cgroup namespace",
        "the peer's pid namespace",
        "the peer's ipc namespace",
        "moved to the cgroup above all sandboxes",
        "moved to its peer's cgroup",
        "a probe that lies about its cgroup",
        "a process of the host's pid and network namespaces",
        "a process in its network",
        "memory limit left out",
    ),
    "docker": ("--ipc=container:PEER", "--pid=container:PEER", "a probe that lies about no_new_privs"),
    "podman": ("--cgroupns=host", "--pid=container:PEER"),
    "lxc": ("lxc.namespace.share.pid=PEER", "lxc.namespace.keep=cgroup", "lxc.cap.drop cleared"),
    "unshare": ("no --ipc", "no --mount"),
}


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Pair each of the session's targets on this machine with plants of its runtime."""
    if "column" not in metafunc.fixturenames:
        return
    state = metafunc.config.stash.get(STATE, None)
    found = [
        pytest.param(name, plant, id=f"{name}: {plant.name}")
        for name, target in ({} if state is None else state.targets).items()
        if target.host == LOCAL
        for plant in PLANTS
        if _is_tried(plant, named(target.runtime))
    ]
    why = OFF if state is None else "no such plant is for the runtimes of this session"
    metafunc.parametrize(("column", "plant"), found or [pytest.param("", None, marks=pytest.mark.skip(reason=why))])


def _is_tried(plant: Plant, runtime: str) -> bool:
    all_of_them = os.environ.get("PYTEST_ISOLATION_MATRIX") == "all"
    there = plant.when and plant.where != "machine" and (not plant.needs or os.access(plant.needs, os.F_OK))
    wanted = all_of_them or plant.name in SHARING.get(runtime, ())
    return there and wanted and runtime in plant.runtimes and plant.user == "root"


@pytest.fixture(scope="module")
def sound(request: pytest.FixtureRequest) -> dict[str, dict[str, Found]]:
    """The cells of each column, made anew while nothing is planted."""
    state = request.config.stash[STATE]
    return {name: cells(made_anew(state, one)) for name, one in state.measurements.items()}


def cells(record: Record) -> dict[str, Found]:
    """Return what each check says of a record, and its limits as the host sees them: a cgroup above may set them."""
    outside = record.raw("outside")
    limits = outside.limits if isinstance(outside, Facts) else None
    shown = {} if limits is None else {f"limit of {one.name}": declared(one, limits) for one in find_limits()}
    return judge(record) | {name: (Verdict.HOLDS, amount) for name, amount in shown.items()}


def declared(limit: Limit[Any], limits: CgroupFiles) -> str:
    """Return the amount of a limit, or why nobody sees it: the top cgroup has no pids.max."""
    try:
        return str(limit.declared(limits))
    except UnobservedFact as fault:
        return str(fault)


def made_anew(state: State, measurements: Measurements) -> Record:
    """
    Make a new sandbox of a target, observe it, end it, and look for what is left.

    No load is pushed and no peer reached, which takes long: those cells are unknown in every column.
    """
    target = measurements.target
    peer = None if "peer" in target.runtime.cannot else state.sandboxes.live(target, "peer")
    with state.sandboxes.make(target, Spec()) as sandbox:
        record = observe_sandbox(target, sandbox, peer)
    end = measurements._measure_end()
    return record.model_copy(update={name: end.raw(name) for name in ENDS})


ENDS = tuple(TeardownResult.model_fields)


def test_the_columns_are_several(request: pytest.FixtureRequest) -> None:
    state = request.config.stash.get(STATE, None)
    if state is None:
        pytest.skip(OFF)

    assert len(state.targets) > 1, "run it with several runtimes: --isolation-runtime=unshare,runc"
    assert set(ENDED) <= set(ENDS)


def test_a_plant_moves_no_other_column(
    request: pytest.FixtureRequest, sound: dict[str, dict[str, Found]], column: str, plant: Plant
) -> None:
    state = request.config.stash[STATE]
    moved: dict[str, str] = {}

    def look_at_all() -> None:
        if moved:
            return  # the first look of a plant decides
        for name, one in state.measurements.items():
            after = cells(made_anew(state, one))
            for check, before in sound[name].items():
                if before[0] is not after[check][0] or (check.startswith("limit of") and before != after[check]):
                    moved[f"{name}: {check}"] = f"{before} -> {after[check]}"

    outcome = try_plant(state.measurements[column], state.sandboxes, plant, look_at_all)

    assert outcome.expected == outcome.moved, outcome.why
    assert not moved, moved
