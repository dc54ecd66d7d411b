"""provisioner.limits.limits: what a sandbox is asked to keep."""

from __future__ import annotations

import copy
import importlib
import pkgutil
from types import SimpleNamespace

import pytest
from pydantic import create_model

from provisioner.errors import IsolationError
from provisioner.limits.limit import find_limits
from provisioner.limits.limits import Limits
from provisioner.limits.measured import LoadBase


def test_amounts_stand_under_the_limits_names_in_their_order() -> None:
    assert Limits().amounts == {}
    assert list(Limits(pids=2, cpus=0.5, memory=1).amounts.items()) == [("memory", 1), ("cpu", 0.5), ("pids", 2)]
    assert Limits(memory=None) == Limits()


@pytest.mark.parametrize("limits", [{"memory": 0}, {"cpus": -0.5}, {"pids": 0}, {"cpus": float("nan")}])
def test_a_limit_of_nothing_is_refused(limits: dict[str, float]) -> None:
    with pytest.raises(IsolationError, match="more than zero"):
        Limits(**limits)


def test_an_unknown_limit_names_those_that_there_are() -> None:
    known = ", ".join(limit.argument for limit in find_limits())
    assert known.startswith("memory, cpus, pids")
    with pytest.raises(IsolationError, match=f"cannot limit 'zzz'; there are: {known}$"):
        Limits(zzz=1)


def test_templates_get_the_values_of_each_limit_that_is_asked_for() -> None:
    assert Limits(memory=64 << 20, cpus=0.25, pids=32).template_values() == {
        "memory": {"bytes": 67108864, "mib": 64},
        "cpu": {"cpus": 0.25, "quota": 25000, "period": 100000},
        "pids": {"count": 32},
    }
    given = Limits(pids=32).by_argument()
    assert given.keys() == {limit.argument for limit in find_limits()}
    assert {argument: amount for argument, amount in given.items() if amount is not None} == {"pids": 32}


def test_only_limits_that_are_set_by_hand_are_written_into_cgroups() -> None:
    limits = Limits(memory=64 << 20, pids=32)

    assert [setting.limit for setting in limits.cgroup_settings()] == ["memory", "pids"]
    assert [setting.limit for setting in limits.cgroup_settings({"pids"})] == ["pids"]
    assert limits.cgroup_settings(()) == ()


def test_two_modules_with_one_name_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    first = find_limits()[0]
    monkeypatch.setattr(importlib, "import_module", lambda name: SimpleNamespace(LIMIT=first))

    with pytest.raises(TypeError, match=f"two modules of limits/kinds have the name '{first.name}'"):
        find_limits.__wrapped__()


def test_two_loads_with_one_field_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = find_limits()[:2]
    field = next(name for name in first.load.model_fields if name not in LoadBase.model_fields)
    other = copy.copy(second)
    monkeypatch.setattr(other, "load", create_model("Other", __base__=LoadBase, **{field: (int, 0)}))
    found = iter([first, other])
    modules = [SimpleNamespace(name=name) for name in ("first", "other")]
    monkeypatch.setattr(pkgutil, "iter_modules", lambda path: modules)
    monkeypatch.setattr(importlib, "import_module", lambda name: SimpleNamespace(LIMIT=next(found)))

    with pytest.raises(TypeError, match=f"two modules of limits/kinds have the field '{field}'"):
        find_limits.__wrapped__()
