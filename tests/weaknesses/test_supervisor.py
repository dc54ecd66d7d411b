"""The program that starts a sandbox from inside does not count where the payload cannot reach it, and counts else."""

from __future__ import annotations

import pytest
from fact_parts import Dict
from facts_factory import SOUND, record_of

from pytest_isolation.records.view import SandboxView


@pytest.fixture
def document() -> Dict:
    """A container in which the payload is process 2, started by a process without its filter."""
    made = SOUND["container"][0]()
    outside = made["outside"]
    outside["process"]["nspid"] = [4242, 2]
    made["inside"]["system"]["init_maps"] = "EACCES"
    outside["tasks"] = [task(made, 4241, 1)]
    return made


def task(document: Dict, pid: int, inside: int) -> Dict:
    process = document["outside"]["process"]
    names = ("namespaces", "uid", "gid", "groups", "capabilities", "no_new_privs", "lsm", "cgroups", "leads")
    same = {name: process[name] for name in names if name in process}
    return (
        same
        | {"pid": pid, "process": pid, "nspid": [pid, inside], "name": "jail"}
        | {"seccomp": {"mode": 0, "filters": 0}}
    )


def mode(document: Dict) -> int:
    return SandboxView(record_of(document)).process.seccomp.mode


def test_out_of_reach_it_does_not_count(document: Dict) -> None:
    assert mode(document) == 2


@pytest.mark.parametrize("answer", ["ok", "ENOENT", "ESRCH", {"unobserved": "ENOENT", "why": "access /proc/self"}])
def test_within_reach_or_unknown_it_counts(document: Dict, answer: object) -> None:
    document["inside"]["system"]["init_maps"] = answer

    assert mode(document) == 0


def test_a_record_without_the_try_counts_it(document: Dict) -> None:
    del document["inside"]["system"]["init_maps"]

    assert mode(document) == 0


def test_another_process_with_its_state_counts(document: Dict) -> None:
    document["outside"]["tasks"].append(task(document, 4300, 7))

    assert mode(document) == 0


def test_the_first_process_of_another_pid_namespace_counts(document: Dict) -> None:
    other = document["outside"]["tasks"][0]
    other["namespaces"] = other["namespaces"] | {"pid": 1}

    assert mode(document) == 0


def test_where_the_payload_is_the_first_process_all_count(document: Dict) -> None:
    document["outside"]["process"]["nspid"] = [4242, 1]

    assert mode(document) == 0
