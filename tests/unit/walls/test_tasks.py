"""The weakest task of a sandbox, also with unobserved tasks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from provisioner.errors import UnobservedFact
from provisioner.facts.namespaces import Namespaces
from provisioner.facts.process import Cgroup, Process, TaskState
from provisioner.facts.status import Capabilities, Seccomp
from pytest_isolation.walls.tasks import outside_cgroup, weakest

KINDS = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")


def state(**changed: Any) -> dict[str, Any]:
    sets = dict.fromkeys(("inheritable", "permitted", "effective", "bounding", "ambient"), 0)
    return {
        "pid": 7,
        "namespaces": Namespaces(**dict.fromkeys(KINDS, 5)),
        "uid": [1] * 4,
        "capabilities": Capabilities(**sets | {"bounding": 1}),
        "no_new_privs": 1,
        "seccomp": Seccomp(mode=2, filters=2),
        "lsm": "a (enforce)",
        "cgroups": [Cgroup(hierarchy=0, controllers=[], path="/box")],
    } | changed


def process(**changed: Any) -> Process:
    return Process.model_construct(**state(**changed))


def task(**changed: Any) -> TaskState:
    return TaskState.model_construct(process=7, name="sh", **state(**changed))


def judged(own: Process, *tasks: TaskState) -> Process:
    host = process(lsm="unconfined", namespaces=Namespaces(**dict.fromkeys(KINDS, 1)))
    return weakest(own, lambda: tasks, lambda: host)


def test_a_single_task_is_unchanged() -> None:
    own = process()

    assert judged(own) == own


def test_each_wall_comes_from_the_weakest_task() -> None:
    found = judged(process(), task(no_new_privs=0), task(seccomp=Seccomp(mode=2, filters=1), lsm="unconfined"))

    assert (found.no_new_privs, found.seccomp.filters, found.lsm) == (0, 1, "unconfined")


@pytest.mark.parametrize(("user", "bounding"), [(5, 3), (1, 3), (9, 1)])
def test_capabilities_count_in_the_subjects_and_the_hosts_user_namespace(user: int, bounding: int) -> None:
    sets = dict.fromkeys(("inheritable", "permitted", "effective", "ambient"), 0)
    namespaces = Namespaces(**dict.fromkeys(KINDS, 5) | {"user": user})

    found = judged(process(), task(namespaces=namespaces, capabilities=Capabilities(**sets, bounding=2)))

    assert found.capabilities.bounding == bounding


def test_unobserved_tasks_leave_sound_walls_unobserved_and_open_walls_open() -> None:
    def unseen() -> tuple[TaskState, ...]:
        raise UnobservedFact("tasks", "EACCES", "list /proc")

    found = weakest(process(seccomp=Seccomp(mode=0, filters=0)), unseen, process)

    assert found.seccomp.mode == 0
    looks: list[Callable[[], object]] = [lambda: found.lsm, lambda: found.capabilities, lambda: found.no_new_privs]
    for look in looks:
        with pytest.raises(UnobservedFact, match="EACCES"):
            look()


@pytest.mark.parametrize(
    ("own", "other", "out"),
    [
        ("/box", "/box", False),
        ("/box", "/box/service", False),
        ("/box", "/boxes", True),
        ("/box", "/", True),
        ("/", "/any", False),
        ("/box/init.scope", "/box/system.slice/a", False),
        ("/lxc/.lxc", "/outside_cgroup", True),
    ],
)
def test_a_task_outside_the_subjects_cgroup_is_found(own: str, other: str, out: bool) -> None:
    def at(path: str) -> list[Cgroup]:
        return [Cgroup(hierarchy=0, controllers=[], path=path)]

    assert bool(outside_cgroup(process(cgroups=at(own)), [task(cgroups=at(other))])) is out
