"""pytest_isolation.policy.policy: judgements, profiles, and the files that it reads."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.files.yaml import parse_yaml
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import Expected, in_range, load_expected
from pytest_isolation.policy.policy import Policy, Ruling
from pytest_isolation.policy.profile import Profile, parse_profile
from pytest_isolation.policy.verdict import Check, Judgement, Verdict
from pytest_isolation.policy.waivers import Waiver

TODAY = date(2026, 11, 23)
CHECK = Check("user.root_mapped", profile="baseline")
DOCUMENTED = "user.root_mapped: {verdict: open, source: docs}\n"
WAIVER = Waiver(check="user.root_mapped", target="dock*", reason="moves soon", owner="ops", until=TODAY)


def expected_of(text: str) -> dict[str, Expected]:
    return {"docker": parse_yaml(text.encode(), Expected, "expected.yaml")}


def judge(policy: Policy, verdict: Verdict, runtime: str = "docker", kind: str = "container") -> Ruling:
    return policy.judge(CHECK, kind, runtime, runtime, Conditions(variant="rootful", version="20.10.24"), verdict)


BASELINE = Profile("baseline", 1)
PRIVILEGED = Profile("privileged", 1)


@pytest.mark.parametrize(
    ("documented", "waived", "profile", "verdict", "judgement"),
    [
        (False, False, None, "holds", "ok"),
        (False, False, BASELINE, "holds", "ok"),
        (True, False, None, "holds", "better"),
        (False, True, None, "holds", "better"),
        (True, False, None, "open", "documented"),
        (True, False, PRIVILEGED, "open", "documented"),
        (True, False, BASELINE, "open", "finding"),
        (True, False, None, "unknown", "finding"),
        (True, False, None, "ignored", "finding"),
        (False, False, None, "open", "finding"),
        (False, False, None, "ignored", "finding"),
        (False, False, None, "refused", "finding"),
        (False, False, None, "unknown", "finding"),
        (False, True, None, "open", "waived"),
        (False, True, BASELINE, "open", "waived"),
        (False, True, None, "ignored", "waived"),
        (False, True, None, "refused", "waived"),
        (False, True, None, "unknown", "waived"),
        (True, True, None, "open", "documented"),
        (False, False, None, "not_applicable", "none"),
        (True, True, BASELINE, "not_applicable", "none"),
    ],
)
def test_each_verdict_is_judged(
    documented: bool, waived: bool, profile: Profile | None, verdict: str, judgement: str
) -> None:
    policy = Policy(profile, expected_of(DOCUMENTED if documented else "{}"), (WAIVER,) if waived else (), TODAY)

    assert judgement == judge(policy, Verdict(verdict)).judgement


def test_documented_carries_its_source() -> None:
    assert Ruling(Judgement.DOCUMENTED, source="docs") == judge(Policy(expected=expected_of(DOCUMENTED)), Verdict.OPEN)


def test_waiver_is_valid_on_its_last_day_and_not_after() -> None:
    last = judge(Policy(waivers=(WAIVER,), today=TODAY), Verdict.OPEN)
    after = judge(Policy(waivers=(WAIVER,), today=date(2026, 11, 26)), Verdict.OPEN)

    assert (last.judgement, last.reason) == (Judgement.WAIVED, "waived until 2026-11-23 by ops: moves soon")
    assert (after.judgement, after.reason) == (Judgement.FINDING, "waiver expired 3 days ago: moves soon")


def test_waiver_counts_for_its_targets_only() -> None:
    assert judge(Policy(waivers=(WAIVER,), today=TODAY), Verdict.OPEN, "podman").judgement == Judgement.FINDING


def test_waiver_that_covers_no_cell_is_reported() -> None:
    policy = Policy(waivers=(WAIVER,), today=TODAY)

    assert policy.unused_waivers([""]) == (WAIVER,)
    assert policy.unused_waivers([judge(policy, Verdict.OPEN).waiver]) == ()


@pytest.mark.parametrize(
    ("verdict", "profile", "judgement"),
    [
        ("open", None, "documented"),
        ("unknown", None, "documented"),
        ("ignored", None, "finding"),
        ("open", BASELINE, "finding"),
        ("open", PRIVILEGED, "documented"),
        ("holds", None, "ok"),
    ],
)
@pytest.mark.parametrize("runtime", ["self", "pid", "command"])
def test_a_runtime_without_policy_claims_no_wall_until_a_profile_asks(
    verdict: str, profile: Profile | None, judgement: str, runtime: str
) -> None:
    ruling = judge(Policy(profile), Verdict(verdict), runtime)

    assert judgement == ruling.judgement
    assert (f"{runtime} claims no wall" if judgement == "documented" else "") == ruling.source


def test_profile_by_kind_is_required_of_that_kind_only() -> None:
    check = Check("vm.kernel", profile=(("vm", "privileged"),))
    policy = Policy(BASELINE, {"x": parse_yaml(b"vm.kernel: {verdict: open, source: it is one}", Expected, "e.yaml")})

    assert policy.judge(check, "container", "x", "x", Conditions(), Verdict.OPEN).judgement == Judgement.DOCUMENTED
    assert policy.judge(check, "vm", "x", "x", Conditions(), Verdict.OPEN).judgement == Judgement.FINDING


@pytest.mark.parametrize(
    ("when", "documented"),
    [
        ("{}", True),
        ("{variant: rootful}", True),
        ("{variant: rootless}", False),
        ("{variant: rootful, version: '>=20.10,<29'}", True),
        ("{variant: rootful, version: '>=25'}", False),
        ("{lsm: none}", False),  # nobody observed it
    ],
)
def test_condition_must_be_met(when: str, documented: bool) -> None:
    policy = Policy(expected=expected_of(f"user.root_mapped: {{verdict: open, source: docs, when: {when}}}\n"))

    assert (Judgement.DOCUMENTED if documented else Judgement.FINDING) == judge(policy, Verdict.OPEN).judgement


def test_list_of_entries_takes_the_first_that_fits() -> None:
    policy = Policy(
        expected=expected_of(
            "user.root_mapped:\n"
            "- {verdict: unknown, source: one, when: {variant: rootless}}\n"
            "- {verdict: open, source: two}\n"
        )
    )

    assert judge(policy, Verdict.OPEN).source == "two"


@pytest.mark.parametrize(
    ("version", "wanted", "inside"),
    [
        ("20.10.24+dfsg1", ">=20.10,<29", True),
        ("29.0.0", ">=20.10,<29", False),
        ("9", "<10", True),
        ("1.1.0", "==1.1", True),
        ("unknown", ">=0", False),
        ("", ">=0", False),
    ],
)
def test_version_ranges_compare_numbers(version: str, wanted: str, inside: bool) -> None:
    assert inside == in_range(version, wanted)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a.b:\n  verdit: open\n  source: x\n", ":2: unknown key 'verdit' (and 1 more); did you mean 'verdict'?"),
        (
            "a.b:\n  verdict: opne\n  source: x\n",
            ":2: a.b.verdict: should be 'open', 'unknown' or 'ignored', not 'opne'; did you mean 'open'?",
        ),
        (
            "a.b:\n- verdict: open\n  source: x\n  when: {varient: x}\n",
            ":4: unknown key 'varient'; did you mean 'variant'?",
        ),
        ("a.b: {verdict: open}\n", ":1: missing key 'source'"),
        ("A B: {verdict: open, source: x}\n", ":1: the key 'A B' is not allowed: "),
        (
            "a.b: {verdict: open, source: x, when: {version: 20}}\n",
            ":1: a.b.when.version: should be a valid string, not 20",
        ),
        (
            "a.b: {verdict: open, source: x, when: {version: '20'}}\n",
            "should be a range such as '>=20.10,<29', not '20'",
        ),
        ("a.b: open\n", ":1: a.b: should be "),
    ],
)
def test_wrong_expected_names_file_line_and_nearest(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "expected.yaml"
    path.write_text(text)

    with pytest.raises(IsolationError) as caught:
        load_expected(path)

    assert f"{path}:" in str(caught.value)
    assert message in str(caught.value)


def test_profile_is_parsed() -> None:
    assert Profile("baseline", 1) == parse_profile("baseline@1")
    assert str(parse_profile("restricted")) == "restricted@1"


@pytest.mark.parametrize(
    ("text", "mend"),
    [
        ("basline@1", "did you mean 'baseline@1'?"),
        ("zzz", "known: privileged, baseline, restricted"),
        ("baseline@2", "known: 'baseline@1'"),
        ("baseline@", "known: 'baseline@1'"),
        ("baseline@01", "known: 'baseline@1'"),
    ],
)
def test_unknown_profile_names_the_nearest(text: str, mend: str) -> None:
    with pytest.raises(IsolationError) as caught:
        parse_profile(text)

    assert mend == caught.value.hint


def test_a_users_own_test_that_fails_in_self_is_a_finding() -> None:
    own = Check(id="test_mine.py::test_mine")

    ruling = Policy().judge(own, "container", "self", "self", Conditions(), Verdict.OPEN)

    assert ruling.judgement is Judgement.FINDING
