"""An exec'd process against the first one: every fact of its view is compared, or has a reason why not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.facts.descriptors import Fd, Handle
from provisioner.facts.document import Facts
from provisioner.facts.mounts import Mount
from provisioner.facts.process import Process
from provisioner.facts.status import IdRange, Rlimit
from provisioner.facts.system import System
from provisioner.observed import FactMap
from pytest_isolation.walls import parity
from pytest_isolation.walls.parity import Compared, Skipped

ROOT = Handle(type="dir", major=8, minor=1, inode=2, mount=7, rdev=None)
OWN = Process.model_construct(
    uid=[1000] * 4,
    gid=[1000] * 4,
    groups=[],
    no_new_privs=1,
    fds=[Fd(fd=number, target="pipe:[1]") for number in range(3)],
    handles=FactMap[Handle]({"cwd": ROOT, "root": ROOT}),
    mounts=[Mount.model_construct(id=7)],
    umask=0o022,
    oom_score_adj=0,
    rlimits=FactMap[Rlimit]({"nofile": Rlimit(soft=64, hard=1024), "core": Rlimit(soft=0, hard=None)}),
    securebits=1,
    dumpable=1,
)
PARTS = {"process": parity.PROCESS, "system": parity.SYSTEM}


@pytest.mark.parametrize(("model", "entries"), [(Process, parity.PROCESS), (System, parity.SYSTEM)])
def test_every_fact_is_compared_or_has_a_reason(model: type[Any], entries: Any) -> None:
    assert set(model.model_fields) == set(entries)


def test_every_part_of_a_document_is_compared_or_has_a_reason() -> None:
    assert set(Facts.model_fields) == set(PARTS) | set(parity.DOCUMENT)


def test_reasons_are_given() -> None:
    skipped = [one for part in (*PARTS.values(), parity.DOCUMENT) for one in part.values() if isinstance(one, Skipped)]

    assert all(one.why for one in skipped)


def changed(fact: str, value: Any) -> Process:
    return OWN.model_copy(update={fact: value})


def of_facts(process: Process, attached: bool = False) -> list[str]:
    return [
        text
        for check in (parity.PARITY, parity.LIMITS)
        for text in parity.weaker_than_first(check, OWN, process, attached)
    ]


def test_equal_processes_have_no_difference() -> None:
    assert of_facts(OWN) == []


@given(
    st.one_of(
        st.tuples(st.just("uid"), st.lists(st.integers(0, 5), min_size=4, max_size=4)),
        st.tuples(st.just("gid"), st.lists(st.integers(0, 5), min_size=4, max_size=4)),
        st.tuples(st.just("groups"), st.lists(st.integers(2000, 2**32 - 1), min_size=1, max_size=8)),
        st.tuples(st.just("no_new_privs"), st.just(0)),
        st.tuples(st.just("securebits"), st.just(0)),
        st.tuples(st.just("umask"), st.sampled_from([0, 0o002, 0o020])),
        st.tuples(st.just("oom_score_adj"), st.integers(-1000, -1)),
    )
)
def test_one_drawn_fact_that_is_weaker_is_the_only_difference(drawn: tuple[str, Any]) -> None:
    fact, value = drawn

    (text,) = of_facts(changed(fact, value))

    assert {"no_new_privs": "no_new_privs", "securebits": "securebits"}.get(fact, fact.removesuffix("s")) in text


@given(
    st.one_of(
        st.tuples(st.just("umask"), st.sampled_from([0o022, 0o027, 0o077])),
        st.tuples(st.just("oom_score_adj"), st.integers(0, 1000)),
        st.tuples(st.just("no_new_privs"), st.just(1)),
        st.tuples(st.just("cpus_allowed"), st.just("0")),
        st.tuples(st.just("pid"), st.integers(1, 1 << 22)),
    )
)
def test_a_drawn_fact_that_is_stronger_or_identifies_it_is_no_difference(drawn: tuple[str, Any]) -> None:
    assert of_facts(changed(*drawn)) == []


@pytest.mark.parametrize(
    ("uid", "groups", "texts"),
    [
        (1000, [1000], ["is also in the group of its user's number, 1000"]),
        (1000, [6, 1000], ["is also in the groups 6", "is also in the group of its user's number, 1000"]),
        (1001, [1000], ["is also in the groups 1000"]),
    ],
)
def test_a_group_of_the_users_own_number_is_told_apart(uid: int, groups: list[int], texts: list[str]) -> None:
    own = OWN.model_copy(update={"uid": [uid] * 4, "gid": [0] * 4})
    other = own.model_copy(update={"groups": groups})

    assert parity.weaker_than_first(parity.PARITY, own, other, False) == texts


@pytest.mark.parametrize(
    ("groups", "first", "texts"),
    [
        ([999], 0, ["is in the host's group docker (999)"]),
        ([999], 100000, []),
        ([998], 0, []),
        ([], 0, []),
    ],
)
def test_a_privileged_group_of_the_host_is_named(groups: list[int], first: int, texts: list[str]) -> None:
    own = OWN.model_copy(update={"gid_map": [IdRange(inside=0, outside=first, count=65536)]})
    other = own.model_copy(update={"groups": groups})

    assert parity.groups_of_host(own, other, {999: "docker", 6: "disk"}) == texts


def test_an_attached_first_process_may_have_changed_its_ids() -> None:
    other = OWN.model_copy(update={"uid": [0] * 4, "groups": [5], "no_new_privs": 0})

    assert of_facts(other, attached=True) == ["has no_new_privs off, the first one has it on"]


@pytest.mark.parametrize(
    ("own", "other", "why"),
    [
        ("docker-default (enforce)", "docker-default (enforce)", ""),
        ("docker-default (enforce)", "unconfined", "is not confined: no mandatory-access label"),
        ("docker-default (enforce)", "", "is not confined"),
        ("docker-default (enforce)", "docker-default (complain)", "is not enforced"),
        ("docker-default (enforce)", "other (enforce)", "has the label 'other (enforce)'"),
        ("a:b:container_t:s0:c1,c2", "a:b:container_t:s0:c3,c4", "has the label"),
        ("a:b:container_t:s0:c1,c2", "a:b:spc_t:s0", "type 'spc_t' is unconfined"),
        ("lxd-web//&:lxd-web:box (enforce)", "box (enforce)", ""),
        ("unconfined", "unconfined", ""),
    ],
)
def test_the_label_of_an_exec_is_compared(own: str, other: str, why: str) -> None:
    found = parity.why_other_label(own, other, "unconfined")

    assert why in found
    assert bool(why) == bool(found)


def test_each_compared_fact_names_a_check_of_the_suite() -> None:
    checks = {one.check for one in parity.PROCESS.values() if isinstance(one, Compared)}

    assert {
        *("ns.exec_parity", "cap.exec_parity", "seccomp.exec_parity", "lsm.exec_parity"),
        *("proc.exec_parity", "proc.exec_limits", "fd.runtime_exe"),
    } == checks
