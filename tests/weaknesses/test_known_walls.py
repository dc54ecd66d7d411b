"""Each known flaw names checks of the suite, and a plant opens one of them.

The note then says so, and the finding names the flaw.
"""

from __future__ import annotations

from typing import Any

import pytest
from facts_factory import SOUND, record_of
from judging import checks
from synthetic import WEAKNESSES
from weakness import Weakness

from pytest_isolation.judge.judge import judge_check
from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.verdict import Cell, check_of
from pytest_isolation.records.view import judge_fixtures
from pytest_isolation.results.build import assemble
from pytest_isolation.results.known import Known, bundled
from pytest_isolation.results.model import Results
from pytest_isolation.results.notes import lines_of

KERNELS = ("kernel", "kvm")


def first_affected(known: Known) -> str:
    """Return a version of the project's own that had the flaw: a bound of a range, or one before the first fix."""
    bounds = [bound.strip(" <>=") for wanted in known.affected for bound in wanted.split(",")]
    below = [*(f"{bound}-rc.0" for bound in bounds), "0.1"]
    return next(version for version in [*bounds, *below] if known.standing(version) == "in range")


def plant_of(known: Known) -> Weakness:
    return next(one for one in WEAKNESSES if one.check in known.checks and one.verdict == "open")


def judged(known: Known, weakness: Weakness, version: str) -> tuple[Results, Cell]:
    """Judge the planted record of a sandbox that was made with that version, by the planted check alone."""
    document: dict[str, Any] = SOUND[weakness.record][0]()
    weakness.edit(document)
    document["target"]["versions"] = {} if known.component in KERNELS else {known.component: version}
    if known.component == "kvm":
        document["target"]["conditions"]["accelerator"] = "kvm: /dev/kvm works"
    document["host"]["system"]["kernel"]["release"] = version if known.component in KERNELS else "999.0"
    record = record_of(document)
    cell = judge_check(checks()[weakness.check], record, judge_fixtures(record), Policy())
    return assemble([cell], [record], [], Policy()), cell


@pytest.mark.parametrize("known", bundled(), ids=lambda known: f"{known.id} of {known.component}")
def test_a_known_lost_wall_is_seen_by_its_plant(known: Known) -> None:
    assert set(known.checks) <= set(checks())
    version, weakness = first_affected(known), plant_of(known)

    results, cell = judged(known, weakness, version)

    (line,) = [line for line in lines_of(results) if f" {known.id} (" in line]
    assert line.startswith(f"{known.component} {version} (")
    assert f"{weakness.check} is OPEN here" in line
    assert [told for told in cell.known if told.startswith(f"{known.id}, {known.title}: {known.component} {version}")]


@pytest.mark.parametrize("known", [one for one in bundled() if one.fixed], ids=lambda known: known.id)
def test_a_version_that_has_the_fix_is_not_spoken_of(known: Known) -> None:
    for version in known.fixed:
        results, cell = judged(known, plant_of(known), version)

        assert [note for note in results.notes if note.known == known.id] == []
        assert [told for told in cell.known if told.startswith(f"{known.id},")] == []


def test_there_are_enough_of_them_and_of_what_they_show() -> None:
    assert len({known.id for known in bundled()}) >= 40
    assert len({check for known in bundled() for check in known.checks}) >= 25


def test_the_checks_asked_of_a_target_see_the_sign() -> None:
    for known in bundled():
        kind = "vm" if known.component in ("qemu", "kvm") else "container"
        for check in known.checks:
            assert kind in check_of(checks()[check]).kinds, (known.id, check)
