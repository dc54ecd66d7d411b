"""What a check says of an attached sandbox, from recorded facts: it has no peer, and often no view from inside."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fact_parts import INITIAL, Dict, mount
from facts_factory import SOUND, record_of
from judging import judge
from synthetic.tasks import beside

from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import load_expected
from pytest_isolation.policy.policy import NOT_PUSHED, Policy
from pytest_isolation.policy.profile import parse_profile
from pytest_isolation.policy.verdict import Check, Judgement, Verdict
from pytest_isolation.records.record import ATTACHED
from pytest_isolation.walls.capabilities import mask_of

DOCKER = Path(__file__).parents[2] / "roles/docker/expected.yaml"


def without_peer() -> Dict:
    """Return the record of a sound container that has no peer."""
    document = SOUND["container"][0]()
    document["target"]["cannot"]["peer"] = ATTACHED
    document["target"]["attached"] = True
    return document


@pytest.mark.parametrize(
    ("pids", "mounts", "cgroup", "expected"),
    [
        ("its own", "its own", "/other", (Verdict.HOLDS, "")),  # an exec in another cgroup
        ("its own", "another's", "below", (Verdict.HOLDS, "")),  # a service of its own service manager
        ("another's", "another's", "/other", (Verdict.HOLDS, "")),
        ("its own", "another's", "/other", (Verdict.UNKNOWN, "process 4300 (sh, pid 9 inside) of another sandbox")),
        ("the host's", "its own", "below", (Verdict.UNKNOWN, "has no peer")),
    ],
)
def test_no_peer_is_unknown_where_another_sandbox_may_be_seen(
    pids: str, mounts: str, cgroup: str, expected: tuple[Verdict, str]
) -> None:
    document = without_peer()
    own = document["outside"]["process"]
    path = own["cgroups"][0]["path"] + "/service" if cgroup == "below" else cgroup
    inodes = {"pid": own["namespaces"]["pid"], "mnt": own["namespaces"]["mnt"]}
    if pids != "its own":
        inodes["pid"] = INITIAL["pid"] if pids == "the host's" else 4026539999
    if mounts != "its own":
        inodes["mnt"] = 4026539998
    beside(namespaces=inodes, cgroups=[own["cgroups"][0] | {"path": path}])(document)

    verdict, reason = judge(record_of(document), frozenset({"ptrace.outside"}))["ptrace.outside"]

    assert expected[0] is verdict
    assert expected[1] in reason


# what the host's view decides of an attached container without an exec that passes the probe on; docs/how-to/attach.md
BY_OUTSIDE = (
    *("cap.sys_admin", "cap.sys_module", "ipc.abstract", "ipc.host_sockets", "ipc.sysv_mq", "kern.fanotify"),
    *("kern.kexec_reboot", "kern.mount_api", "kern.swap_acct_quota", "mgmt.runtime_sock", "ns.join", "ptrace.outside"),
    *("sig.outside", "time.set", "user.nonroot"),
)
NO_EXEC = "docker exec passes no descriptor"


def blind() -> Dict:
    """Return the record of a sound container that nobody looked at from inside, and that has no peer."""
    document = without_peer()
    for view in ("inside", "exec", "peer_inside", "peer_outside"):
        document[view] = {"unobserved": "", "why": NO_EXEC}
    document["outside"]["process"]["mounts"] = [
        mount for mount in document["outside"]["process"]["mounts"] if mount["target"] != "/probe"
    ]
    return document


def judged(document: Dict, check: str) -> tuple[Verdict, str]:
    return judge(record_of(document), frozenset({check}))[check]


@pytest.mark.parametrize("check", BY_OUTSIDE)
def test_the_outside_alone_decides(check: str) -> None:
    assert judged(blind(), check) == (Verdict.HOLDS, "")


def test_how_to_attach_names_what_the_outside_alone_decides() -> None:
    page = (Path(__file__).parents[2] / "docs/how-to/attach.md").read_text()

    assert ", ".join(f"`{check}`" for check in BY_OUTSIDE) in page


def grant(*names: str) -> Callable[[Dict], None]:
    def edit(document: Dict) -> None:
        process = document["outside"]["process"]
        process["namespaces"]["user"] = INITIAL["user"]
        process["capabilities"]["bounding"] |= mask_of(names)

    return edit


def root(document: Dict) -> None:
    process = document["outside"]["process"]
    process["uid"] = [next(line["outside"] for line in process["uid_map"] if line["inside"] == 0)] * 4


def shared(kind: str) -> Callable[[Dict], None]:
    return lambda document: document["outside"]["process"]["namespaces"].update({kind: INITIAL[kind]})


def mounted(target: str, root: str, **more: Any) -> Callable[[Dict], None]:
    return lambda document: document["outside"]["process"]["mounts"].append(
        mount(target, "tmpfs", 22, root=root) | more
    )


UNKNOWN, OPEN = Verdict.UNKNOWN, Verdict.OPEN


@pytest.mark.parametrize(
    ("check", "edit", "expected", "reason"),
    [
        ("user.nonroot", root, OPEN, "its process runs as uid 0 inside"),
        ("mgmt.runtime_sock", mounted("/s", "/docker.sock"), OPEN, "/s from /run/docker.sock is an engine's socket"),
        ("mgmt.runtime_sock", mounted("/r", "/"), OPEN, "/r from /run, with /run/docker.sock is an engine's socket"),
        ("mgmt.runtime_sock", mounted("/r", "/other"), UNKNOWN, f"the host's /run/other: {NO_EXEC}"),
        ("mgmt.runtime_sock", mounted("/s", "/own/docker.sock"), OPEN, "/s from /run/own/docker.sock is an engine's"),
        ("ipc.host_sockets", mounted("/s", "/docker.sock"), OPEN, "/s from /run/docker.sock is a socket of the host's"),
        ("ipc.abstract", shared("net"), OPEN, "host's network namespace"),
        ("ipc.sysv_mq", shared("ipc"), OPEN, "host's IPC namespace"),
        ("sig.outside", shared("pid"), UNKNOWN, NO_EXEC),
        ("ptrace.outside", shared("pid"), UNKNOWN, NO_EXEC),
        # what it may gain is not what it was refused
        ("kern.mount_api", grant("SYS_ADMIN"), UNKNOWN, NO_EXEC),
        ("kern.kexec_reboot", grant("SYS_BOOT"), UNKNOWN, NO_EXEC),
        ("kern.swap_acct_quota", grant("SYS_PACCT"), UNKNOWN, NO_EXEC),
        ("kern.fanotify", grant("SYS_ADMIN"), UNKNOWN, NO_EXEC),
        ("time.set", grant("SYS_TIME"), UNKNOWN, NO_EXEC),
        ("cap.sys_module", grant("SYS_MODULE"), UNKNOWN, NO_EXEC),
        ("cap.sys_admin", grant("SYS_ADMIN"), UNKNOWN, NO_EXEC),
        # a sysctl of the host may allow these to everybody
        ("kern.bpf", lambda document: None, UNKNOWN, NO_EXEC),
        ("kern.userfaultfd", lambda document: None, UNKNOWN, NO_EXEC),
    ],
)
def test_what_the_outside_alone_decides_is_not_always_green(
    check: str, edit: Callable[[Dict], None], expected: Verdict, reason: str
) -> None:
    document = blind()
    edit(document)

    verdict, why = judged(document, check)

    assert expected is verdict, why
    assert reason in why


@pytest.mark.parametrize("fact", ["tasks", "process"])
def test_nothing_holds_by_what_the_outside_did_not_see(fact: str) -> None:
    document = blind()
    document["outside"] = document["outside"] | {"tasks": {"unobserved": "EACCES", "why": "list /proc"}}
    if fact == "process":
        document["outside"]["process"] |= {"capabilities": {"unobserved": "EACCES", "why": "read status"}}

    assert judged(document, "kern.mount_api")[0] is UNKNOWN


AMOUNTS = {"memory": "67108864 bytes", "cpu": "0.5 processors", "pids": "64 tasks"}


@pytest.mark.parametrize("name", AMOUNTS)
def test_a_limit_is_declared_and_not_pushed(name: str) -> None:
    verdict, reason = judged(blind(), f"lim.{name}")

    assert verdict is UNKNOWN
    assert f"declared: {AMOUNTS[name]}; {NOT_PUSHED}" in reason
    assert rule(name, verdict, reason, required=False) is Judgement.DOCUMENTED
    assert rule(name, verdict, reason, required=True) is Judgement.FINDING


@pytest.mark.parametrize(("name", "unit"), [("memory", "bytes"), ("cpu", "processors"), ("pids", "tasks")])
def test_no_limit_is_open(name: str, unit: str) -> None:
    document = blind()
    document["outside"]["limits"][name] |= {"quota_us" if name == "cpu" else "limit": None}

    verdict, reason = judged(document, f"lim.{name}")

    assert (OPEN, f"limit=none: its cgroup and those above set no limit of {unit}") == (verdict, reason)
    assert rule(name, verdict, reason, required=False) is Judgement.DOCUMENTED  # docker's default
    assert rule(name, verdict, reason, required=True) is Judgement.FINDING


@pytest.mark.parametrize("name", AMOUNTS)
def test_a_limit_that_was_not_seen_is_neither(name: str) -> None:
    document = blind()
    document["outside"]["limits"][name] |= {
        "quota_us" if name == "cpu" else "limit": {"unobserved": "EACCES", "why": "read it"}
    }

    verdict, reason = judged(document, f"lim.{name}")

    assert verdict is UNKNOWN
    assert rule(name, verdict, reason, required=False) is Judgement.FINDING


def rule(name: str, verdict: Verdict, reason: str, required: bool) -> Judgement:
    """Judge a limit of an attached docker container as `isolation` does."""
    policy = Policy(parse_profile("baseline") if required else None, {"docker": load_expected(DOCKER)})
    check = Check(id=f"lim.{name}", profile="baseline")
    attached = Conditions(unseen="docker exec passes no descriptor on")
    return policy.judge(check, "container", "docker:web", "docker", attached, verdict, reason).judgement
