"""pytest_isolation.targets.select: which columns a run has, from names and a look at PATH; nothing is started."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from provisioner.machines.lab import Lab, MachineSpec
from pytest_isolation.options import RunOptions
from pytest_isolation.targets.select import instead_of, named_target, select_targets


def asked(*kinds: str, runtimes: tuple[str, ...] = (), required: tuple[str, ...] = ()) -> RunOptions:
    return RunOptions(kinds=kinds, runtimes=runtimes, required=required)


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The programs that are there; a test fills it."""
    programs: set[str] = set()
    monkeypatch.setattr(
        "pytest_isolation.targets.target.find_program", lambda name: f"/bin/{name}" if name in programs else None
    )
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return programs


def ids(found: RunOptions) -> list[str]:
    return [target.id for target in select_targets(found)[0]]


def test_every_installed_runtime_is_a_target(installed: set[str]) -> None:
    installed |= {"docker", "unshare", "qemu-system-x86_64"}

    assert ids(asked("container")) == ["docker", "unshare"]
    assert ids(asked("vm")) == ["qemu"]


def test_kinds_stand_in_the_order_given(installed: set[str]) -> None:
    installed |= {"docker", "unshare", "qemu-system-x86_64"}

    assert ids(asked("vm", "container")) == ["qemu", "docker", "unshare"]
    assert ids(asked("container", "vm")) == ["docker", "unshare", "qemu"]


def test_the_place_pytest_runs_in_is_a_target_only_by_name(installed: set[str]) -> None:
    assert ids(asked("container")) == []
    assert ids(asked("container", runtimes=("self",))) == ["self"]


def test_a_runtime_that_is_not_installed_is_left_out_with_its_remedy(installed: set[str]) -> None:
    _, skipped = select_targets(asked("container"))

    told = {one.what: (one.reason, one.mend) for one in skipped}
    assert told["podman"] == ("podman is not installed", "apt-get install --no-install-recommends podman runc")
    assert "qemu" not in told


def test_a_runtime_that_needs_root_is_left_out_for_a_user(installed: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    installed |= {"runc"}
    monkeypatch.setattr("os.geteuid", lambda: 1000)

    targets, skipped = select_targets(asked("container"))

    assert targets == []
    assert ("it needs root", "run as root") in [(one.reason, one.mend) for one in skipped]


def test_named_runtimes_stand_in_the_order_given(installed: set[str]) -> None:
    installed |= {"docker", "unshare", "podman"}

    assert ids(asked("container", runtimes=("unshare", "podman+runc", "docker"))) == [
        "unshare",
        "podman+runc",
        "docker",
    ]


def test_a_required_runtime_is_a_target(installed: set[str]) -> None:
    installed |= {"docker", "unshare"}

    found, _ = select_targets(asked("container", required=("docker", "container")))

    assert {target.id: target.named for target in found} == {"docker": True, "unshare": False}


def test_a_named_runtime_that_is_not_installed_is_a_usage_error(installed: set[str]) -> None:
    with pytest.raises(pytest.UsageError, match="cannot run 'docker': docker is not installed; apt-get install"):
        select_targets(asked("container", runtimes=("docker",)))
    with pytest.raises(pytest.UsageError, match="cannot run 'docker': docker is not installed; apt-get install"):
        select_targets(asked("container", required=("docker",)))


def test_a_named_runtime_of_another_kind_is_a_usage_error(installed: set[str]) -> None:
    with pytest.raises(pytest.UsageError, match="'qemu' makes sandboxes of the kind vm; ask for --isolation=vm"):
        select_targets(asked("container", runtimes=("qemu",)))


def test_an_unknown_runtime_is_a_usage_error_with_the_nearest(installed: set[str]) -> None:
    with pytest.raises(pytest.UsageError, match="did you mean 'podman'"):
        select_targets(asked("container", runtimes=("podmann",)))


def test_the_other_option_of_a_runtime_keeps_what_was_asked(installed: set[str]) -> None:
    installed |= {"podman"}
    (podman,) = select_targets(asked("container", runtimes=("podman",)))[0]

    other = instead_of(podman, "runc")

    assert (other.id, other.named, other.runtime.conditions["option"]) == ("podman+runc", True, "runc")


def test_selecting_targets_starts_nothing(installed: set[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed |= {"docker", "qemu-system-x86_64"}
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path))

    select_targets(asked("container", "vm"))

    assert list(tmp_path.iterdir()) == []


LAB = Lab(
    path=Path("/lab.yaml"),
    machines={
        "debian12": MachineSpec(name="debian12", roles=["docker", "runc"]),
        "bare": MachineSpec(name="bare"),
    },
)


def on(*hosts: str, kinds: tuple[str, ...] = ("container",), **more: Any) -> RunOptions:
    return replace(asked(*kinds), hosts=hosts, **more)


def targets_of(found: RunOptions) -> list[tuple[str, str]]:
    return [(target.id, target.host) for target in select_targets(found, LAB)[0]]


def test_on_a_machine_its_roles_are_the_targets(installed: set[str]) -> None:
    assert targets_of(on("debian12")) == [("debian12/docker", "debian12"), ("debian12/runc", "debian12")]


def test_runtimes_here_and_on_a_machine_are_targets_of_one_run(installed: set[str]) -> None:
    installed |= {"docker"}

    found = targets_of(on("local", "debian12", runtimes=("docker",)))

    assert found == [("docker", "local"), ("debian12/docker", "debian12")]


def test_a_named_machine_replaces_the_vms_that_were_not_named(installed: set[str]) -> None:
    installed |= {"qemu-system-x86_64"}

    assert targets_of(on("local", kinds=("vm",), machines=("debian12",))) == [("debian12", "debian12")]
    assert targets_of(on("local", kinds=("vm",), machines=("debian12",), required=("qemu",))) == [
        ("qemu", "local"),
        ("debian12", "debian12"),
    ]


def test_limits_by_hand_cannot_be_asked_for_over_ssh(installed: set[str]) -> None:
    (target,), _ = select_targets(on("debian12", runtimes=("unshare",)), LAB)

    assert target.runtime.cannot["limits.pids"] == "cgroups by hand are made on this machine only"


def test_a_worker_knows_a_target_by_its_name_and_host(installed: set[str]) -> None:
    found, _ = select_targets(on("debian12", kinds=("container", "vm"), machines=("debian12",)), LAB)

    assert [named_target(target.id, target.host) for target in found] == found
    assert [target.is_machine for target in found] == [False, False, True]


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (on("debian13"), "cannot find machine 'debian13'; did you mean 'debian12'"),
        (on("locl"), "did you mean 'local'"),
        (on("bare"), "'bare' has no container runtime among its roles"),
        (on("local", machines=("debian12",)), "ask for --isolation=vm"),
        (on("debian12", kinds=("vm",), runtimes=("qemu",)), "'qemu' runs on this machine only"),
        (on("local", kinds=("vm",), runtimes=("machine",)), "name the machine itself: --isolation-machine=NAME"),
        (on("debian12", required=("debian12/podman",)), "'debian12/podman' is none of this run's targets"),
    ],
)
def test_a_runtime_that_a_machine_lacks_is_a_usage_error(installed: set[str], found: RunOptions, told: str) -> None:
    with pytest.raises(pytest.UsageError, match=told):
        select_targets(found, LAB)
