"""The fixtures that checks and users' own tests ask for.

In: the session's pool.  Out: views of one sandbox, its peer and its host, and ways to make further sandboxes.
Always registered; without `--isolation` they skip with one reason line and import nothing heavy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_isolation.options import LOCAL
from pytest_isolation.session.state import STATE, State

if TYPE_CHECKING:
    from provisioner.sandboxes.sandbox import Sandbox
    from pytest_isolation.live.machine import MachineView
    from pytest_isolation.records.view import HostView, SandboxView
    from pytest_isolation.targets.select import Target

OFF = "needs sandboxes: run with --isolation=container, vm, or container,vm"


def _state(request: pytest.FixtureRequest) -> State:
    state = request.config.stash.get(STATE, None)
    if state is None:
        pytest.skip(OFF)
    return state


def _state_and_target(request: pytest.FixtureRequest, name: str) -> tuple[State, Target]:
    state = _state(request)
    return state, state.targets[name]


@pytest.fixture(scope="session")
def isolation_target(request: pytest.FixtureRequest) -> str:
    """The id of the target that this test runs on; parametrised over all of the session's."""
    _state(request)
    return str(request.param)


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, isolation_target: str) -> SandboxView:
    """
    The sandbox of this target, as `SandboxView`: both views of it, its loads, and `run` for own tests.

    Raises (as an error of the test): IsolationError when the target could not be set up.

    Example:
        def test_no_other_process_is_visible(sandbox):
            assert sandbox.system.processes < 5
    """
    state, target = _state_and_target(request, isolation_target)
    return state.view(target)


@pytest.fixture
def peer(request: pytest.FixtureRequest, isolation_target: str) -> SandboxView:
    """A second sandbox beside this target's own, made in the same way; as `SandboxView`."""
    state, target = _state_and_target(request, isolation_target)
    return state.view(target, peer=True)


@pytest.fixture
def host_facts(request: pytest.FixtureRequest, isolation_target: str) -> HostView:
    """The host's own view of itself, taken by the same probe; as `HostView`."""
    state, target = _state_and_target(request, isolation_target)
    return state.view(target).host


@pytest.fixture
def machine(request: pytest.FixtureRequest, isolation_target: str) -> MachineView:
    """
    The machine of lab.yaml that this target is, or runs on, as `MachineView`; other targets are skipped.

    Example:
        def test_docker_is_confined(machine):
            assert machine.testinfra.service("docker").is_running
    """
    state, target = _state_and_target(request, isolation_target)
    if target.host == LOCAL:
        pytest.skip(f"{target.id} runs on no machine of lab.yaml")
    from pytest_isolation.live.machine import MachineView

    return MachineView(*state.hosts.machine(target.host))


@pytest.fixture
def sandbox_factory(request: pytest.FixtureRequest, isolation_target: str) -> Iterator[Callable[..., Sandbox]]:
    """
    Make further sandboxes of this target; they are closed when the test ends.

    The function that it gives takes the limits `memory` (bytes), `cpus` and `pids`, `network` ("none", "private",
    "host"), `flags` (further arguments for the runtime) and `image` ("probe", or "shell" with a BusyBox beside it), and
    returns a live `provisioner.sandboxes.sandbox.Sandbox`.

    Example:
        def test_small_sandbox_answers(sandbox_factory):
            assert sandbox_factory(memory=64 << 20).request("echo", data=b"hello").data == b"hello"
    """
    state, target = _state_and_target(request, isolation_target)
    if target.attached is not None:
        from pytest_isolation.records.record import ATTACHED

        pytest.skip(ATTACHED)
    made: list[Sandbox] = []

    def make(*, network: str = "none", flags: tuple[str, ...] = (), **asked: Any) -> Sandbox:
        from provisioner.limits.limits import Limits
        from provisioner.sandboxes.spec import Spec

        limits = Limits(**{name: asked.pop(name) for name in Limits().by_argument() if name in asked})
        made.append(state.sandboxes.create(target, Spec(limits=limits, network=network, flags=tuple(flags), **asked)))
        return made[-1]

    yield make
    for sandbox in reversed(made):
        sandbox.close()
