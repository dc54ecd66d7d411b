"""pytest_isolation.session.xdist: a test's scope is its target, so that a target stays on one worker."""

from __future__ import annotations

from random import Random
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("xdist")

from pytest_isolation.session.xdist import TargetScheduling, scope_of

TARGETS = ["docker", "docker+crun", "podman", "podman-rootless"]


def scope(nodeid: str) -> str:
    return scope_of(nodeid, TARGETS)


def test_tests_of_a_target_are_together_whatever_their_file() -> None:
    assert scope("suite/test_a.py::test_x[docker]") == scope("own/test_b.py::TestC::test_y[docker]") == "docker"


def test_other_parameters_do_not_split_a_target() -> None:
    assert scope("test_a.py::test_x[docker-tcp]") == scope("test_a.py::test_x[6-docker]") == "docker"


def test_the_value_of_another_parameter_may_be_a_target() -> None:
    assert scope("test_a.py::test_x[docker-podman]") == "docker"
    assert scope("test_a.py::test_x[podman-rootless-docker-1-2]") == "podman-rootless"


def test_a_folder_may_have_a_bracket() -> None:
    assert scope("own[docker]/test_a.py::test_x[podman]") == "podman"
    assert scope("own[docker]/test_a.py::test_x") == "own[docker]/test_a.py::test_x"


def test_a_group_of_loadgroup_is_no_parameter() -> None:
    assert scope("test_a.py::test_x[podman]@docker") == "podman"


def test_targets_are_apart() -> None:
    assert scope("test_a.py::test_x[docker+crun]") == "docker+crun"
    assert scope("test_a.py::test_x[podman-rootless-tcp]") == "podman-rootless"


@pytest.mark.parametrize("name", ["test_x", "test_x[tcp]", "test_x[dockerfile]"])
def test_a_test_without_a_target_may_run_anywhere(name: str) -> None:
    assert scope(f"test_a.py::{name}") == f"test_a.py::{name}"


def test_targets_on_one_machine_are_together() -> None:
    targets = ["docker", "debian12", "debian12/docker", "debian12-v1/docker"]

    assert scope_of("test_a.py::test_x[debian12/docker]", targets) == "debian12"
    assert scope_of("test_a.py::test_x[debian12]", targets) == "debian12"
    assert scope_of("test_a.py::test_x[debian12-v1/docker]", targets) == "debian12-v1"


class Worker:
    """As much of a worker of pytest-xdist as a scheduler uses; it runs its last test only when it is shut down."""

    def __init__(self) -> None:
        self.gateway = SimpleNamespace(id="gw")
        self.given: list[int] = []
        self.shutting_down = False

    def send_runtest_some(self, indexes: list[int]) -> None:
        self.given += indexes

    def shutdown(self) -> None:
        self.shutting_down = True

    @property
    def runs(self) -> bool:
        """Whether it has a test to run."""
        return len(self.given) > 1 or (self.shutting_down and bool(self.given))


class Session:
    """A session of two workers, in the words of xdist's DSession."""

    def __init__(self, tests: list[str], deadly: frozenset[str]) -> None:
        option = SimpleNamespace(loadscopereorder=True)
        config: Any = SimpleNamespace(option=option, getvalue=lambda name: ["popen"] * 2, rootpath="/")
        self.tests, self.deadly, self.ran = tests, deadly, list[str]()
        self.sched = TargetScheduling(config, None)
        self.workers = [self.ready(), self.ready()]
        for worker in self.workers:
            self.collected(worker)

    def ready(self) -> Worker:
        """Let a worker start; it has not collected yet."""
        worker = Worker()
        self.sched.add_node(worker)
        return worker

    def collected(self, worker: Worker) -> None:
        self.sched.add_node_collection(worker, self.tests)
        if self.sched.collection_is_completed:
            self.sched.schedule()
        self.finish()

    def finish(self) -> None:
        if self.sched.tests_finished:
            for worker in self.sched.nodes:
                worker.shutdown()

    def step(self, worker: Worker) -> None:
        """Let a worker run one test."""
        index = worker.given.pop(0)
        self.ran.append(self.tests[index])
        if self.tests[index] in self.deadly:
            assert self.sched.remove_node(worker) == self.tests[index]
            self.workers[self.workers.index(worker)] = self.ready()
        else:
            self.sched.mark_test_complete(worker, index)
        self.finish()


NAMES = [f"t.py::test_{name}[{target}]" for name in "abcd" for target in ("docker", "podman")]


@given(deadly=st.frozensets(st.sampled_from(NAMES)), choose=st.randoms(use_true_random=False))
def test_each_test_runs_once_though_workers_die(deadly: frozenset[str], choose: Random) -> None:
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(TargetScheduling, "_split_scope", lambda self, nodeid: scope(nodeid))
        session = Session(NAMES, deadly)
        for _ in range(200):
            late = [one for one in session.workers if one not in session.sched.registered_collections]
            does = [(session.step, one) for one in session.workers if one.runs]
            does += [(session.collected, one) for one in late if not one.shutting_down]
            if not does:
                break
            act, worker = choose.choice(does)
            act(worker)

    assert sorted(session.ran) == sorted(NAMES)
