"""Facts of two kernels are never compared: no verdict on a sandbox elsewhere depends on what this machine showed."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fact_parts import HOST_BOOT, INITIAL, PEER_BOOT, VM_BOOT, Dict
from facts_factory import SOUND, record_of
from judging import Found, judge

from provisioner.paths import ROLES
from pytest_isolation.judge.judge import judge_records
from pytest_isolation.policy.conditions import BEHIND, ELSEWHERE, Conditions
from pytest_isolation.policy.expected import load_expected
from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.verdict import Check, Judgement, Verdict
from pytest_isolation.records.kernels import OTHER_KERNEL, settle
from pytest_isolation.records.read import parse_record
from pytest_isolation.records.record import dump_record
from pytest_isolation.records.view import SandboxView
from pytest_isolation.results.build import assemble

POLICY = Policy(expected={path.parent.name: load_expected(path) for path in ROLES.glob("*/expected.yaml")})
CONTAINERS = ("container", "docker", "podman")
NOT_SEEN = {"unobserved": "", "why": "cannot get 'outside' from 'local': no process serves 'n'"}
ENGINE = {"address": "unix:///run/user/0/forwarded.sock", "by": "DOCKER_HOST"}


def elsewhere(name: str, boot_id: str = VM_BOOT) -> Dict:
    """A container on another machine: its probe reads another boot id, and this machine does not see it."""
    document = SOUND[name][0]()
    for view in ("inside", "peer_inside", "exec"):
        document[view]["boot_id"] = boot_id
    document |= {"outside": dict(NOT_SEEN), "peer_outside": dict(NOT_SEEN)}
    document["target"]["engine"] = dict(ENGINE)
    return document


def share_numbers(document: Dict) -> None:
    """Give this machine's processes the same inodes as the sandbox."""
    document["host"]["process"]["namespaces"] = dict(document["inside"]["process"]["namespaces"])


def share_no_number(document: Dict) -> None:
    namespaces = document["host"]["process"]["namespaces"]
    document["host"]["process"]["namespaces"] = {kind: inode + 7777 for kind, inode in namespaces.items()}


def other_ids(document: Dict) -> None:
    document["host"]["process"] |= {"uid": [1000] * 4, "gid": [1000] * 4, "lsm": "", "mounts": []}


def other_system(document: Dict) -> None:
    system = document["host"]["system"]
    system["kernel"] |= {"release": "3.10.0", "banner": "Linux version 3.10.0"}
    system |= {"lsms": "", "sockets": [], "ports": [], "machine_id": document["inside"]["system"]["machine_id"]}
    system["kernel_state"] |= {"ptrace_scope": 0, "smt_active": 1}


def other_conditions(document: Dict) -> None:
    document["target"]["conditions"] |= {"cgroup": "v1", "user": "root", "kernel": "3.10.0", "lsm": "none"}


def same_canary(document: Dict) -> None:
    """Let a process of the other machine have the number of this machine's canary."""
    document["inside"]["system"]["canary"] = {"pid": 1, "signal": "ok", "same": True, "environ": "ok", "maps": "ok"}


HOSTS: tuple[Callable[[Dict], None], ...] = (
    share_numbers,
    share_no_number,
    other_ids,
    other_system,
    other_conditions,
    same_canary,
)


def judged(document: Dict) -> dict[str, Found]:
    return judge(record_of(document))


@pytest.mark.parametrize("change", HOSTS, ids=lambda change: change.__name__)
@pytest.mark.parametrize("name", ["container", "docker"])
def test_no_verdict_depends_on_this_machine(name: str, change: Callable[[Dict], None]) -> None:
    document = elsewhere(name)
    before = judged(document)
    change(document)

    assert judged(document) == before


@pytest.mark.parametrize("name", CONTAINERS)
def test_what_only_the_outside_shows_is_unknown(name: str) -> None:
    found = judged(elsewhere(name))

    unknown = {check for check, (verdict, _) in found.items() if verdict is Verdict.UNKNOWN}
    assert {"ns.net", "ns.mnt", "view.agree", "lsm.yama", "vm.boot_id", "vm.kernel", "sig.outside"} <= unknown
    assert {reason for check in unknown if ELSEWHERE not in (reason := found[check][1])} == set()


@pytest.mark.parametrize("name", CONTAINERS)
def test_a_stock_sandbox_elsewhere_gives_no_finding(name: str) -> None:
    record = record_of(elsewhere(name))

    results = judge_records([record], POLICY)

    assert [(cell.check, cell.reason) for cell in results.findings()] == []


@pytest.mark.parametrize("kind", ["pid", "ipc", "uts", "user", "cgroup", "time"])
def test_an_initial_namespace_is_the_hosts_on_every_kernel(kind: str) -> None:
    document = elsewhere("container")
    for view in ("inside", "exec"):
        document[view]["process"]["namespaces"][kind] = INITIAL[kind]

    assert judged(document)[f"ns.{kind}"][0] is Verdict.OPEN


def test_one_boot_id_is_one_kernel_though_the_host_does_not_see_the_subject() -> None:
    document = elsewhere("docker", HOST_BOOT)
    record = record_of(document)

    assert SandboxView(record).this_machine is None
    assert judge(record)["ns.net"][0] is Verdict.HOLDS


def test_a_daemon_outside_of_the_container_that_pytest_runs_in() -> None:
    document = elsewhere("docker", HOST_BOOT)
    document["host"]["process"]["namespaces"]["pid"] = INITIAL["pid"] + 50

    found = judged(document)

    assert found["ns.net"] == (Verdict.UNKNOWN, found["ns.net"][1])
    assert BEHIND in found["ns.net"][1]


def test_a_subject_that_the_host_sees_is_on_its_kernel_whatever_boot_id_is_mounted() -> None:
    document = SOUND["docker"][0]()
    document["inside"]["boot_id"] = PEER_BOOT  # systemd-nspawn and LXD mount one

    assert SandboxView(record_of(document)).this_machine is None
    assert judged(document)["ns.net"][0] is Verdict.HOLDS


def test_a_vm_has_a_kernel_of_its_own_by_design() -> None:
    assert SandboxView(record_of(SOUND["vm"][0]())).this_machine is None


def test_a_runtime_without_a_daemon_is_not_elsewhere() -> None:
    document = elsewhere("container")
    document["target"]["engine"] = None
    document["inside"]["system"]["kernel"]["banner"] = "Linux version 5.10.0-guest"

    found = judged(document)

    assert found["vm.declared"][0] is Verdict.OPEN
    assert found["ns.net"] == (Verdict.UNKNOWN, found["ns.net"][1])
    assert OTHER_KERNEL in found["ns.net"][1]


def test_the_header_names_the_daemons_kernel() -> None:
    document = elsewhere("docker")
    document["inside"]["system"]["kernel"]["release"] = "6.1.0-guest"

    host = assemble([], [record_of(document)], [], Policy()).hosts[0]

    assert (host.id, host.kernel, host.lsm, host.cgroup) == ("docker's daemon", "6.1.0-guest", "", "")
    assert host.unseen.startswith(f"{ELSEWHERE} (unix:///run/user/0/forwarded.sock by DOCKER_HOST)")


def test_a_settled_record_stays_as_it_is() -> None:
    record = record_of(elsewhere("docker"))

    assert settle(record) == record
    assert parse_record(dump_record(record), "archive") == record


def test_a_wall_that_is_unknown_for_another_reason_is_a_finding() -> None:
    conditions, reason = Conditions(elsewhere=ELSEWHERE), "the probe did not answer"

    ruling = POLICY.judge(Check("ns.net"), "container", "docker", "docker", conditions, Verdict.UNKNOWN, reason)

    assert ruling.judgement is Judgement.FINDING
