"""A version that could not be read makes what depends on it unknown, and is no finding."""

from __future__ import annotations

import pytest

from pytest_isolation.policy.conditions import ELSEWHERE, Conditions
from pytest_isolation.policy.expected import Expected, When
from pytest_isolation.policy.policy import UNREAD_VERSION, Policy
from pytest_isolation.policy.profile import parse_profile
from pytest_isolation.policy.verdict import Check, Judgement, Verdict

CHECK = Check("a.b", profile="baseline")
EXPECTED = Expected.model_validate(
    {
        "a.b": [
            {"verdict": "open", "because": "old", "source": "notes of 23", "when": {"version": "<23"}},
            {"verdict": "open", "because": "root", "source": "docs", "when": {"user": "root", "kernel": "<6"}},
        ]
    }
)
POLICY = Policy(expected={"docker": EXPECTED})


def judged(conditions: Conditions, reason: str, verdict: Verdict = Verdict.OPEN, policy: Policy = POLICY) -> object:
    ruling = policy.judge(CHECK, "container", "docker", "docker", conditions, verdict, reason)
    return ruling.judgement, ruling.verdict


@pytest.mark.parametrize(
    ("conditions", "reason", "judgement"),
    [
        (Conditions(version="20.10.24"), "old", (Judgement.DOCUMENTED, None)),
        (Conditions(version="25.0"), "old", (Judgement.FINDING, None)),
        (Conditions(), "old", (Judgement.DOCUMENTED, Verdict.UNKNOWN)),
        (Conditions(version="dev"), "old", (Judgement.DOCUMENTED, Verdict.UNKNOWN)),
        (Conditions(), "another reason", (Judgement.FINDING, None)),
        (Conditions(version="25.0", user="root"), "root", (Judgement.DOCUMENTED, Verdict.UNKNOWN)),
        (Conditions(version="25.0", user="other"), "root", (Judgement.FINDING, None)),
        (Conditions(version="25.0"), "root", (Judgement.FINDING, None)),  # a condition that does not exist here
        (Conditions(version="25.0", elsewhere=ELSEWHERE), "root", (Judgement.DOCUMENTED, Verdict.UNKNOWN)),
    ],
)
def test_what_depends_on_it(conditions: Conditions, reason: str, judgement: object) -> None:
    assert judged(conditions, reason) == judgement


def test_a_profile_demands_it_all_the_same() -> None:
    policy = Policy(parse_profile("baseline"), {"docker": EXPECTED})

    assert judged(Conditions(), "old", policy=policy) == (Judgement.FINDING, None)


def test_a_default_filter_of_an_unknown_version_is_no_finding() -> None:
    reason = f"target.version could not be observed: its default filter may let through x; {UNREAD_VERSION}"

    assert judged(Conditions(), reason, Verdict.UNKNOWN) == (Judgement.DOCUMENTED, None)


def test_unread_conditions_are_named() -> None:
    assert When(version="<23", user="root").unread(Conditions(user="root")) == ["version"]
    assert When(version="<23", user="root").unread(Conditions(user="other")) == []
    assert When(user="root").unread(Conditions()) == []
