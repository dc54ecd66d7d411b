"""The accepted state of a target: what was lost since is a finding, what was gained is told."""

from __future__ import annotations

from datetime import date

import pytest

from pytest_isolation.policy.accepted import Accepted
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import Documented, Expected
from pytest_isolation.policy.policy import Policy, Ruling
from pytest_isolation.policy.profile import Profile
from pytest_isolation.policy.verdict import Check, Judgement, Verdict
from pytest_isolation.policy.waivers import Waiver

TODAY = date(2026, 11, 23)
STATE = {
    "ns.net": Accepted(verdict="open", because="pid 4711 is the host's", reason="it serves the host"),
    "cap.mknod": Accepted(verdict="open", because="it holds CHOWN, KILL"),
    "img.setuid": Accepted(verdict="unknown", because="the walk ended at /a"),
}
POLICY = Policy(accepted={"run:web": STATE}, today=TODAY)


def judge(
    check: str,
    verdict: Verdict,
    reason: str = "",
    policy: Policy = POLICY,
    runtime: str = "command",
    at: str = "run:web",
) -> Ruling:
    return policy.judge(Check(check, profile="baseline"), "container", at, runtime, Conditions(), verdict, reason)


@pytest.mark.parametrize(
    ("check", "verdict", "reason", "judgement"),
    [
        ("ns.net", Verdict.OPEN, "pid 12 is the host's", Judgement.DOCUMENTED),
        ("ns.net", Verdict.UNKNOWN, "no answer", Judgement.DOCUMENTED),
        ("ns.net", Verdict.HOLDS, "", Judgement.BETTER),
        ("ns.net", Verdict.IGNORED, "pid 12 is the host's", Judgement.FINDING),
        ("cap.mknod", Verdict.OPEN, "it holds KILL, CHOWN", Judgement.DOCUMENTED),
        ("cap.mknod", Verdict.OPEN, "it holds CHOWN, KILL, SYS_ADMIN", Judgement.FINDING),
        ("img.setuid", Verdict.UNKNOWN, "the walk ended at /b", Judgement.DOCUMENTED),
        ("img.setuid", Verdict.OPEN, "/bin/su", Judgement.FINDING),
        ("ns.pid", Verdict.HOLDS, "", Judgement.OK),
        ("ns.pid", Verdict.OPEN, "it is the host's", Judgement.FINDING),
        ("ns.pid", Verdict.UNKNOWN, "no answer", Judgement.FINDING),
        ("ns.pid", Verdict.NOT_APPLICABLE, "", Judgement.NONE),
    ],
)
def test_what_was_lost_is_a_finding_and_what_was_gained_is_told(
    check: str, verdict: Verdict, reason: str, judgement: Judgement
) -> None:
    assert judge(check, verdict, reason).judgement is judgement


def test_another_target_is_judged_as_ever() -> None:
    assert judge("ns.pid", Verdict.OPEN, at="run:other").judgement is Judgement.DOCUMENTED


def test_a_wall_that_a_runtime_documents_as_open_may_be_lost_too() -> None:
    documented = {"docker": Expected({"nnp.set": Documented(verdict="open", source="moby")})}
    policy = Policy(accepted={"run:web": {}}, expected=documented)

    assert judge("nnp.set", Verdict.OPEN, policy=policy, runtime="docker").judgement is Judgement.FINDING
    assert judge("nnp.set", Verdict.HOLDS, policy=policy, runtime="docker").judgement is Judgement.OK


def test_a_profile_demands_what_is_accepted() -> None:
    policy = Policy(profile=Profile("baseline", 1), accepted={"run:web": STATE})

    ruling = judge("cap.mknod", Verdict.OPEN, "it holds CHOWN, KILL", policy)

    assert (ruling.judgement, ruling.reason) == (Judgement.FINDING, "baseline@1 demands it")


@pytest.mark.parametrize(
    ("until", "judgement"), [(date(2027, 1, 1), Judgement.WAIVED), (date(2026, 1, 1), Judgement.FINDING)]
)
def test_a_waiver_covers_what_was_lost(until: date, judgement: Judgement) -> None:
    waiver = Waiver(check="ns.pid", target="run:*", reason="soon", owner="ops", until=until)
    policy = Policy(accepted={"run:web": STATE}, waivers=(waiver,), today=TODAY)

    assert judge("ns.pid", Verdict.OPEN, policy=policy).judgement is judgement


def test_the_reasons_say_what_happened() -> None:
    assert judge("ns.pid", Verdict.OPEN).reason == "lost: isolation.yaml does not accept it"
    assert "accepts another state: open: it holds CHOWN, KILL" in judge("cap.mknod", Verdict.OPEN, "it holds A").reason
    assert "gained: it holds" in judge("ns.net", Verdict.HOLDS).reason
    assert (
        judge("ns.net", Verdict.OPEN, "pid 1 is the host's").source == "isolation.yaml accepts it: it serves the host"
    )


def test_lines_without_a_reason_are_counted() -> None:
    assert POLICY.without_reason(["run:web", "run:other"]) == 2
