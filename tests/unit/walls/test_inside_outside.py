"""pytest_isolation.walls.inside_outside: how the inside and the outside view are compared."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fakes import facts_document

from provisioner.errors import UnobservedFact
from provisioner.facts.document import parse_facts
from provisioner.facts.process import Process
from pytest_isolation.walls.inside_outside import corrected, differences

BASE: dict[str, Any] = {
    "uid": [0] * 4,
    "gid": [0] * 4,
    "uid_map": [{"inside": 0, "outside": 0, "count": 10}],
    "gid_map": [{"inside": 0, "outside": 0, "count": 10}],
    "lsm": "box (enforce)",
    "cgroups": [{"hierarchy": 0, "controllers": [], "path": "/"}],
}


def process(**facts: object) -> Process:
    document = json.loads(facts_document())
    document["process"] |= BASE | facts
    return parse_facts(json.dumps(document).encode()).process


def mapped(outside: int) -> list[dict[str, int]]:
    return [{"inside": 0, "outside": outside, "count": 10}]


def cgroup(path: str) -> list[dict[str, object]]:
    return [{"hierarchy": 0, "controllers": [], "path": path}]


def test_a_process_agrees_with_itself() -> None:
    assert differences(process(), process()) == []


@pytest.mark.parametrize(
    ("inside", "outside"),
    [
        ({"uid": [1] * 4}, {"uid": [100001] * 4, "uid_map": mapped(100000)}),
        ({"uid": [65534] * 4}, {"uid": [5] * 4, "uid_map": mapped(100000)}),  # mapped nowhere
        ({"uid_map": mapped(7)}, {}),  # the third column is relative to who reads it
        ({"cgroups": cgroup("/box")}, {"cgroups": cgroup("/top/box")}),
        ({"cgroups": cgroup("/")}, {"cgroups": cgroup("/top/box")}),
        ({"cgroups": cgroup("/../elsewhere")}, {"cgroups": cgroup("/top/box")}),
        ({"lsm": "box (enforce)"}, {"lsm": "web//&:web:box (enforce)"}),
    ],
)
def test_expected_differences_of_the_inside_view_agree(inside: dict[str, Any], outside: dict[str, Any]) -> None:
    assert differences(process(**inside), process(**outside)) == []


@pytest.mark.parametrize(
    ("inside", "outside", "told"),
    [
        ({"uid": [0] * 4}, {"uid": [100001] * 4, "uid_map": mapped(100000)}, "uid 0 0 0 0 inside, 100001"),
        ({"uid_map": []}, {}, "another uid_map inside than outside"),
        ({"no_new_privs": 0}, {"no_new_privs": 1}, "no_new_privs 0 inside, 1 outside"),
        ({"lsm": "(enforce)"}, {}, "LSM label '(enforce)' inside, 'box (enforce)' outside"),
        ({"cgroups": cgroup("/x")}, {"cgroups": cgroup("/box")}, "cgroup /x inside, /box outside"),
        ({"cgroups": []}, {}, "other cgroup hierarchies"),
    ],
)
def test_a_forged_fact_is_named(inside: dict[str, Any], outside: dict[str, Any], told: str) -> None:
    (found,) = differences(process(**inside), process(**outside))

    assert told in found


def test_an_unobserved_fact_is_unknown() -> None:
    with pytest.raises(UnobservedFact):
        differences(process(lsm={"unobserved": "EACCES", "why": "read attr/current"}), process())


HOST_SEES: dict[str, Any] = {
    "uid": [100001] * 4,
    "gid": [100002] * 4,
    "groups": [100003, 7],
    "uid_map": mapped(100000),
    "gid_map": mapped(100000),
    "lsm": "box (enforce)",
    "cgroups": cgroup("/top/box"),
}
SELF: dict[str, Any] = {"uid": [1] * 4, "gid": [2] * 4, "groups": [3, 65534], "uid_map": mapped(0)}
LIES: dict[str, Any] = {
    "uid": [0] * 4,
    "gid": [0, 2, 2, 2],
    "groups": [],
    "lsm": "unconfined",
    "no_new_privs": 1,
    "capabilities": dict.fromkeys(("inheritable", "permitted", "effective", "bounding", "ambient"), 0),
    "seccomp": {"mode": 2, "filters": 3},
    "umask": 0o777,
    "oom_score_adj": -1000,
    "rlimits": {"nofile": {"soft": 1, "hard": 1}},
    "namespaces": dict.fromkeys(("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"), 1),
}


@pytest.mark.parametrize("fact", LIES)
def test_a_lie_is_corrected_by_what_the_host_sees(fact: str) -> None:
    sees = {"umask": 0o22, "oom_score_adj": 0, "rlimits": {"nofile": {"soft": 64, "hard": 64}}}
    honest, outside = process(**SELF | sees), process(**HOST_SEES | sees)

    assert corrected(process(**SELF | sees | {fact: LIES[fact]}), outside) == corrected(honest, outside) == honest


def test_what_the_host_did_not_see_stays() -> None:
    blind = {name: {"unobserved": "EACCES", "why": "not root"} for name in LIES if name != "namespaces"}
    honest = process(**SELF)

    assert corrected(honest, process(**HOST_SEES | blind)) == honest
