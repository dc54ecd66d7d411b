"""pytest_isolation.session.xdist: a test's scope is its target, so that a target stays on one worker."""

from __future__ import annotations

import pytest

pytest.importorskip("xdist")

from pytest_isolation.session.xdist import scope_of

TARGETS = ["docker", "docker+crun", "podman", "podman-rootless"]


def scope(nodeid: str) -> str:
    return scope_of(nodeid, TARGETS)


def test_tests_of_a_target_are_together_whatever_their_file() -> None:
    assert scope("suite/test_a.py::test_x[docker]") == scope("own/test_b.py::TestC::test_y[docker]") == "docker"


def test_other_parameters_do_not_split_a_target() -> None:
    assert scope("test_a.py::test_x[docker-tcp]") == scope("test_a.py::test_x[6-docker]") == "docker"


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
