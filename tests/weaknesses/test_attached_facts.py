"""What a check says of an attached sandbox, from recorded facts: it has no peer, and often no view from inside."""

from __future__ import annotations

import pytest
from facts_factory import INITIAL, SOUND, Dict, record_of
from judging import judge
from synthetic.tasks import beside

from pytest_isolation.policy.verdict import Verdict
from pytest_isolation.records.record import ATTACHED


def without_peer() -> Dict:
    """Return the record of a sound container that has no peer."""
    document = SOUND["container"][0]()
    document["target"]["cannot"]["peer"] = ATTACHED
    return document


@pytest.mark.parametrize(
    ("pids", "mounts", "cgroup", "expected"),
    [
        ("its own", "its own", "/other", (Verdict.HOLDS, "")),  # an exec in another cgroup
        ("its own", "another's", "below", (Verdict.HOLDS, "")),  # a service of its own service manager
        ("another's", "another's", "/other", (Verdict.HOLDS, "")),
        ("its own", "another's", "/other", (Verdict.UNKNOWN, "process 4300 (sh) of another sandbox")),
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
