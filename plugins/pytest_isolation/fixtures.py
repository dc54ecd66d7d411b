"""The fixtures of checks and of users' own tests.

Out: views of a sandbox, of its peer and of its host, and a function that creates further sandboxes.
They are always registered.  Without `--isolation` they skip the test with one line, and import nothing heavy.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import pytest

from pytest_isolation.options import LOCAL
from pytest_isolation.policy.raised import NotAsked
from pytest_isolation.session.state import STATE, State

if TYPE_CHECKING:
    from pytest_isolation.live.further import FurtherSandbox
    from pytest_isolation.live.machine import MachineView
    from pytest_isolation.live.sandbox import LiveView
    from pytest_isolation.records.view import HostView
    from pytest_isolation.targets.target import Target

OFF = "needs sandboxes: run with --isolation=container, vm, or container,vm"


def _state(request: pytest.FixtureRequest) -> State:
    state = request.config.stash.get(STATE, None)
    if state is None:
        raise NotAsked(OFF)
    return state


def _state_and_target(request: pytest.FixtureRequest, name: str) -> tuple[State, Target]:
    state = _state(request)
    return state, state.targets[name]


@contextlib.contextmanager
def _explained() -> Iterator[None]:
    from provisioner.faults.explain import explained  # not without --isolation

    with explained():
        yield


@pytest.fixture(scope="session")
def isolation_target(request: pytest.FixtureRequest) -> str:
    """
    The id of the target that the test runs on: "docker", "podman+runc", "debian12/docker".

    A test that uses it, or any other fixture of this plugin, runs once on each target of the session.

    Example:
        def test_target_is_known(isolation_target):
            assert isolation_target in ("docker", "qemu")
    """
    _state(request)
    return str(request.param)


@pytest.fixture
def sandbox(request: pytest.FixtureRequest, isolation_target: str) -> LiveView:
    """
    The sandbox of the target: what was observed of it from inside and from outside, and ways to act in it.

    It is shared by all tests of the session; a sandbox that died is created again.

    Example:
        def test_few_processes_are_visible(sandbox):
            assert sandbox.system.processes < 5
    """
    state, target = _state_and_target(request, isolation_target)
    with _explained():
        return state.view(target)


@pytest.fixture
def peer(request: pytest.FixtureRequest, isolation_target: str) -> LiveView:
    """
    A second sandbox of the target, created in the same way as `sandbox` and beside it.

    Example:
        def test_peers_have_different_pid_namespaces(sandbox, peer):
            assert sandbox.namespaces.pid != peer.namespaces.pid
    """
    state, target = _state_and_target(request, isolation_target)
    with _explained():
        return state.view(target, peer=True)


@pytest.fixture
def host_facts(request: pytest.FixtureRequest, isolation_target: str) -> HostView:
    """
    The same facts about the host of the sandbox, observed by the same probe.

    Example:
        def test_processes_outside_are_invisible(sandbox, host_facts):
            assert sandbox.namespaces.pid != host_facts.namespaces.pid
    """
    state, target = _state_and_target(request, isolation_target)
    with _explained():
        return state.view(target).host


@pytest.fixture
def machine(request: pytest.FixtureRequest, isolation_target: str) -> MachineView:
    """
    The machine of lab.yaml that the target is, or runs on.  On other targets the test is skipped.

    Example:
        def test_docker_is_running(machine):
            assert machine.testinfra.service("docker").is_running
    """
    state, target = _state_and_target(request, isolation_target)
    if target.host == LOCAL:
        raise NotAsked(f"{target.id} runs on no machine of lab.yaml")
    from pytest_isolation.live.machine import MachineView

    with _explained():
        state.sandboxes.require_process()
        return MachineView(*state.hosts.machine(target.host))


@pytest.fixture
def sandbox_factory(request: pytest.FixtureRequest, isolation_target: str) -> Iterator[Callable[..., FurtherSandbox]]:
    """
    A function that makes a further sandbox of the target.  All of them are ended at the end of the test.

    What it returns is used like `sandbox`: its facts, `run`, `read_text` and so on; `live` is the running sandbox.
    `load` pushes against one of its limits.
    On an attached target the test is skipped, and where the role says that its runtime cannot do it.

    Args:
        limits: the limits that it must keep: `Limits(memory="64MiB", pids=32, cpus=0.5)` of
            `provisioner.limits.limits`.
        image: "probe" (nothing but the probe), "shell" (BusyBox), "debian" (python3, ps, dpkg, ip, ping; made once on
            this host), a `provisioner.images.image.Image` with files of your own, or the name of an image that the
            engine (docker, podman) has, such as "python:3.12-slim".
        memory: the memory limit, such as "64MiB"; a micro VM needs at least "192MiB".  It is a shorter way to write
            `limits`, as the next ones are.
        cpus: the CPU limit in processors, such as 0.5.
        pids: the limit on tasks, such as 32.
        network: "none", "private" or "host".
        volumes: folders of the host that are shared, such as {tmp_path: "/tmp"}.
        flags: further arguments for the runtime, such as ["--cap-drop", "ALL"].

    Raises:
        IsolationError: an argument is wrong, or the runtime refuses: the test is `unknown`.

    Example:
        def test_small_sandbox_answers(sandbox_factory):
            small = sandbox_factory(memory="256MiB", image="shell")
            assert small.run("sh", "-c", "exit 3").returncode == 3
    """
    state, target = _state_and_target(request, isolation_target)
    if target.attached is not None:
        from pytest_isolation.records.record import ATTACHED

        raise NotAsked(ATTACHED)
    made: list[FurtherSandbox] = []

    def make(**asked: Any) -> FurtherSandbox:
        __tracebackhide__ = True  # the test's own line is what counts
        from provisioner.errors import IsolationError
        from pytest_isolation.live.further import make_further

        try:
            with _explained():
                made.append(make_further(target, state.sandboxes, **asked))
        except IsolationError as error:
            raise error.with_traceback(None) from None
        return made[-1]

    yield make
    for sandbox in reversed(made):
        sandbox.close()
