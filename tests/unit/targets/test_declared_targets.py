"""pytest_isolation.targets.declared: each service and each container is a column; what is wrong is one line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from pytest_isolation.options import RunOptions
from pytest_isolation.policy.isolation_file import TargetSpec
from pytest_isolation.targets import declared
from pytest_isolation.targets.declared import with_declared
from pytest_isolation.targets.project import with_targets

BUILT = ("it is built and has no image", "build it, and add its name: image: NAME")


@pytest.fixture(autouse=True)
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compose file with the services web, db and built, and a pod with two containers."""
    lacks = {"web": None, "db": None, "built": BUILT}
    monkeypatch.setattr(declared, "services_of", lambda words: dict(lacks))
    monkeypatch.setattr(declared, "installed_program", lambda: ["docker-compose"])
    monkeypatch.chdir(tmp_path)
    (tmp_path / "compose.yaml").write_text("services: {}")
    (tmp_path / "pod.yaml").write_text("kind: Pod\nspec: {containers: [{name: a}, {name: b}]}")


def asked(composes: Sequence[str] = (), services: Sequence[str] = (), pods: Sequence[str] = ()) -> RunOptions:
    return RunOptions(
        ("container",), composes=tuple(composes), services=tuple(services), pods=tuple(pods), only_named=True
    )


def test_each_service_that_can_be_started_is_a_column() -> None:
    options, skipped = with_declared(asked(["compose.yaml"]))

    assert options.commands == (
        "web=docker-compose -f compose.yaml run web",
        "db=docker-compose -f compose.yaml run db",
    )
    assert [(one.what, one.reason) for one in skipped] == [("run:built", BUILT[0])]


def test_a_service_that_is_named_is_a_column() -> None:
    options, skipped = with_declared(asked(["compose.yaml"], ["db"]))

    assert options.commands == ("db=docker-compose -f compose.yaml run db",)
    assert skipped == []


def test_each_container_of_a_pod_is_a_column() -> None:
    options, _ = with_declared(asked(pods=["pod.yaml"]))

    assert options.commands == ("a=podman kube play pod.yaml a", "b=podman kube play pod.yaml b")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (
            asked(["compose.yaml"], ["wbe"]),
            "--isolation-service: no compose file has the service 'wbe'; did you mean 'web'?",
        ),
        (asked([], ["web"]), "--isolation-service needs --isolation-compose=FILE"),
        (
            asked(["compse.yaml"]),
            "--isolation-compose: cannot read 'compse.yaml': no such file; did you mean 'compose.yaml'?",
        ),
        (asked(pods=["pot.yaml"]), "--isolation-pod: cannot read 'pot.yaml': no such file; did you mean 'pod.yaml'?"),
    ],
)
def test_what_is_wrong_is_one_line(options: RunOptions, error: str) -> None:
    with pytest.raises(pytest.UsageError) as caught:
        with_declared(options)

    assert str(caught.value) == error


def test_a_project_may_declare_its_targets_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    targets = {
        "app": TargetSpec(compose="compose.yaml", service="web"),
        "all": TargetSpec(compose="compose.yaml"),
        "pod": TargetSpec(pod="pod.yaml", container="b"),
    }
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    options = RunOptions(("container",), waivers=tmp_path / "isolation.yaml")

    assert with_targets(options, targets).commands == (
        "app=docker-compose -f ../compose.yaml run web",
        "web=docker-compose -f ../compose.yaml run web",
        "db=docker-compose -f ../compose.yaml run db",
        "pod=podman kube play ../pod.yaml b",
    )
    one = RunOptions(("container",), waivers=options.waivers, commands=("pod",), only_named=True)
    assert with_targets(one, targets).commands == ("pod=podman kube play ../pod.yaml b",)


@pytest.mark.parametrize(
    ("keys", "error"),
    [
        ({"compose": "c", "run": "r {probe}"}, "one of these keys: run, image, compose, pod"),
        ({"service": "s", "run": "r {probe}"}, "has service without compose"),
        ({"container": "s", "compose": "c"}, "has container without pod"),
    ],
)
def test_a_target_has_the_keys_of_one_kind(keys: dict[str, str], error: str) -> None:
    with pytest.raises(ValueError, match=error):
        TargetSpec.model_validate(keys)
