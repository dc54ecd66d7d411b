"""pytest_isolation.targets.project: which columns the targets of isolation.yaml are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_isolation.options import RunOptions
from pytest_isolation.policy.isolation_file import TargetSpec
from pytest_isolation.targets.project import with_targets
from pytest_isolation.targets.select import select_targets

FILE = {"web": TargetSpec(run="docker run me/app"), "jail": TargetSpec(run="bwrap -- {probe}")}
PLAIN = RunOptions(kinds=("container",))
NAMED = replace(PLAIN, only_named=True)


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "pytest_isolation.targets.target.find_program",
        lambda name: f"/bin/{name}" if name in ("docker", "bwrap", "unshare", "qemu-system-x86_64") else None,
    )
    monkeypatch.setattr("os.geteuid", lambda: 0)


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        (PLAIN, ["run:web", "run:jail"]),
        (replace(PLAIN, commands=("unshare {probe}",)), ["run:web", "run:jail", "run:unshare"]),
        (replace(PLAIN, commands=("web",)), ["run:web", "run:jail"]),
        (replace(PLAIN, kinds=("vm", "container")), ["qemu", "run:web", "run:jail"]),
        (replace(PLAIN, kinds=("vm",)), ["qemu"]),
        (replace(PLAIN, runtimes=("unshare",)), ["unshare"]),
        (replace(PLAIN, runtimes=("unshare",), commands=("jail",)), ["unshare", "run:jail"]),
        (replace(PLAIN, required=("docker",)), ["docker", "run:web", "run:jail"]),
        (replace(NAMED, commands=("jail",)), ["run:jail"]),
        (replace(NAMED, commands=("bwrap {probe}",)), ["run:bwrap"]),
    ],
)
def test_the_projects_targets_stand_in_for_the_installed_containers(options: RunOptions, ids: list[str]) -> None:
    asked = with_targets(options, FILE)

    assert [target.id for target in select_targets(asked)[0]] == ids


def test_an_image_of_the_file_goes_to_each_engine() -> None:
    asked = with_targets(NAMED, {"app": TargetSpec(image="me/app:1"), **FILE})
    one = with_targets(replace(NAMED, commands=("app",)), {"app": TargetSpec(image="me/app:1"), **FILE})

    assert asked.images == ()
    assert (one.images, one.commands) == (("app=me/app:1",), ())


def test_without_a_file_the_installed_runtimes_are_the_columns() -> None:
    assert with_targets(PLAIN, {}) == PLAIN
    assert [target.id for target in select_targets(PLAIN)[0]] == ["bwrap", "docker", "unshare"]


def test_a_name_that_the_file_does_not_have_names_the_nearest() -> None:
    with pytest.raises(pytest.UsageError, match=r"isolation.yaml has no target 'wbe'; did you mean 'web'\?"):
        with_targets(replace(NAMED, commands=("wbe",)), FILE)
