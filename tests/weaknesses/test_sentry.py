"""Behind a sentry the facts from inside are the sentry's own: its kernel is a wall, and nothing else is green by it."""

from __future__ import annotations

import pytest
from fact_parts import HOST_BOOT, INITIAL, Dict, facts_of, process_of
from facts_factory import SOUND, record_of
from judging import judge

from pytest_isolation.policy.verdict import Verdict

OWN = {"sysname": "Linux", "release": "4.4.0", "version": "#1 SMP Sun Jan 10 15:06:54 PST 2016", "machine": "x86_64"}
NO_BOOT_ID = {"unobserved": "ENOENT", "why": "read /proc/sys/kernel/random/boot_id"}


@pytest.fixture
def document() -> Dict:
    """A container behind gVisor's sentry."""
    made = SOUND["container"][0]()
    made["target"]["boundary"] = "sentry"
    for view in ("inside", "exec", "peer_inside"):
        made[view]["boot_id"] = dict(NO_BOOT_ID)
        made[view]["system"]["kernel"] = {**OWN, "banner": f"Linux version 4.4.0 {OWN['version']}"}
    sentry = process_of(
        pid=5151, nspid=[5151], uid=65534, inodes={kind: inode + 3000 for kind, inode in INITIAL.items()}, lsm=""
    )
    sentry["seccomp"] = {"mode": 2, "filters": 1}
    return made | {"outside": None, "peer_outside": None, "vmm": facts_of("outside", HOST_BOOT, sentry, None)}


def verdict_of(document: Dict, check: str) -> tuple[Verdict, str]:
    return judge(record_of(document), frozenset({check}))[check]


@pytest.mark.parametrize("check", ["vm.kernel", "vm.declared", "ns.net", "ns.pid", "seccomp.mode", "user.root_mapped"])
def test_a_kernel_of_its_own_and_a_confined_sentry_hold(document: Dict, check: str) -> None:
    assert verdict_of(document, check) == (Verdict.HOLDS, "")


def test_the_network_of_a_sentry_in_the_hosts_namespace_is_the_hosts(document: Dict) -> None:
    sentry, host = document["vmm"]["process"], document["host"]["process"]
    sentry["namespaces"]["net"] = host["namespaces"]["net"]

    assert verdict_of(document, "ns.net")[0] is Verdict.OPEN
    assert verdict_of(document, "ns.pid")[0] is Verdict.HOLDS


def test_a_sentry_that_runs_as_root_is_named(document: Dict) -> None:
    document["vmm"]["process"]["uid"] = [0] * 4

    assert verdict_of(document, "user.root_mapped") == (
        Verdict.OPEN,
        "its sentry's process runs as root on the host",
    )


@pytest.mark.parametrize("check", ["ns.net", "ns.pid", "seccomp.mode", "user.root_mapped"])
def test_without_the_sentrys_process_nothing_is_green(document: Dict, check: str) -> None:
    document["vmm"] = {"unobserved": "", "why": "its pid is not known"}

    assert verdict_of(document, check)[0] is Verdict.UNKNOWN


@pytest.mark.parametrize("check", ["ns.peer", "vm.boot_id"])
def test_what_only_another_sentry_could_tell_is_unknown(document: Dict, check: str) -> None:
    assert verdict_of(document, check)[0] is Verdict.UNKNOWN


@pytest.mark.parametrize("name", ["release", "version", "banner"])
def test_one_name_of_the_hosts_kernel_makes_it_the_hosts(document: Dict, name: str) -> None:
    document["inside"]["system"]["kernel"][name] = document["host"]["system"]["kernel"][name]

    assert verdict_of(document, "vm.kernel")[0] is Verdict.OPEN
    assert verdict_of(document, "vm.declared")[0] is Verdict.OPEN


def test_a_kernel_that_tells_no_version_is_unknown(document: Dict) -> None:
    document["inside"]["system"]["kernel"]["banner"] = {"unobserved": "ENOENT", "why": "read /proc/version"}

    assert verdict_of(document, "vm.kernel")[0] is Verdict.UNKNOWN


@pytest.mark.parametrize("check", ["ipc.host_sockets", "mgmt.runtime_sock"])
def test_a_socket_in_a_folder_of_the_host_is_unknown(document: Dict, check: str) -> None:
    process, system = document["inside"]["process"], document["inside"]["system"]
    folder = {**process["mounts"][0], "target": "/srv", "fstype": "9p", "id": 999}
    process["mounts"] = [*process["mounts"], folder]
    shown = {"device": [0, 12], "inode": 2, "uid": 0, "gid": 0, "mode": 493, "bound": False}
    system["sockets"] = [{"path": "/srv/x.sock", "mount": "/srv", **shown}]

    verdict, reason = verdict_of(document, check)

    assert verdict is Verdict.UNKNOWN
    assert "whether it passes on /srv/x.sock" in reason


def test_which_folder_is_the_root_is_known_of_an_image_alone(document: Dict) -> None:
    assert verdict_of(document, "mnt.host_paths")[0] is Verdict.HOLDS

    document["image"] = None

    assert verdict_of(document, "mnt.host_paths")[0] is Verdict.UNKNOWN
