"""Where a made-up limit shows, asserted in a process that has it on its path (test_made_up_limit.py starts it)."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from facts_factory import container, record_of

from provisioner.errors import UnobservedFact
from provisioner.limits.limits import Limits
from provisioner.linux.cgroups import _write_files
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.loads import limits_for
from provisioner.sandboxes.spec import Spec
from pytest_isolation.judge.evidence import show_fact
from pytest_isolation.judge.judge import judge_check
from pytest_isolation.judge.own import own_checks
from pytest_isolation.policy.policy import Policy
from pytest_isolation.records.record import Record
from pytest_isolation.records.view import judge_fixtures

MISSING = {"unobserved": "", "why": "this load does not measure it"}


def recorded(**forks: Any) -> Record:
    """Return a sound container's record with the made-up limit's section and load in it."""
    document = container()
    for view in ("inside", "outside"):
        document[view]["limits"]["forks"] = {"most": 16}
    load = {**document["loads"]["pids"], "limit": 16, "children": MISSING, "fork_error": MISSING}
    document["loads"]["forks"] = load | forks
    return record_of(document)


def judged(record: Record) -> tuple[str, str, tuple[str, ...]]:
    (check,) = own_checks(Path(__file__).with_name("forks_check.py"))
    cell = judge_check(check, record, judge_fixtures(record), Policy())
    return str(cell.verdict), cell.reason, cell.inside


def test_a_sandbox_can_be_asked_to_keep_it(tmp_path: Path) -> None:
    spec = Spec(limits=Limits(forks=16, memory=1 << 20))

    assert spec.limits.template_values()["forks"] == {"forks": 16}
    given = {argument: amount for argument, amount in spec.limits.by_argument().items() if amount is not None}
    assert given == {"memory": 1 << 20, "forks": 16}
    (setting,) = spec.limits.cgroup_settings({"forks"})
    _write_files(tmp_path, setting.v2)
    assert (tmp_path / "pids.max").read_text() == "16"


def test_a_runtime_can_have_it(tmp_path: Path) -> None:
    for name, limits in (("has", '{forks: {flags: [--forks, "{{ forks }}"]}}'), ("lacks", "{}")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "runtime.yaml").write_text(
            "title: made up\nkind: container\nclass: container\nboundary: process\ncreate: [x]\nnetwork: {}\n"
            f"install: none\nlimits: {limits}\n"
        )

    assert limits_for(load_runtime("has", tmp_path)) == Limits(forks=16)
    assert load_runtime("lacks", tmp_path).cannot["limits.forks"] == "'lacks' has no such limit"
    assert re.search(r"[(|]forks[|)]", str(Runtime.model_json_schema()["properties"]["limits"]))


def test_facts_hold_its_section() -> None:
    assert recorded(forked=15).inside.limits.forks.most == 16
    assert show_fact(recorded(forked=15).inside, "limits.forks") == "most=16"


def test_documents_without_it_are_read_and_do_not_hold_it() -> None:
    record = record_of(container())

    with pytest.raises(UnobservedFact, match="these facts do not hold it"):
        _ = record.inside.limits.forks
    with pytest.raises(UnobservedFact):
        _ = record.loads["pids"].forked
    assert judged(record)[0] == "unknown"


@pytest.mark.parametrize(
    ("forked", "verdict", "reason"),
    [
        (15, "holds", ""),
        (32, "ignored", "it forked 32 times of 16; silently"),
        (3, "unknown", "fork failed after 3: by another bound"),
    ],
)
def test_its_check_is_judged(forked: int, verdict: str, reason: str) -> None:
    observed, why, inside = judged(recorded(forked=forked))

    assert observed == verdict
    assert reason in why
    assert inside == ("limits.forks = most=16",)


def test_a_refusal_and_what_a_runtime_cannot_do_are_verdicts_of_their_own() -> None:
    assert judged(recorded(refused="no such flag"))[0] == "refused"
    document = json.loads(recorded(forked=15).model_dump_json(by_alias=True))
    document["target"]["cannot"] = {"limits.forks": "it has no such limit"}
    assert judged(record_of(document))[0] == "not_applicable"
