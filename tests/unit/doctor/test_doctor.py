"""provisioner.doctor: looks are found and run side by side, judged, required, and printed for people and programs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from fakes_doctor import GOOD, LOOKS, report_of, saying
from typer.testing import CliRunner

from provisioner import deadlines
from provisioner.cli.main import app
from provisioner.doctor import examine, look
from provisioner.doctor.abilities import judge_abilities, parse_required, unmet
from provisioner.doctor.finding import Ability, Finding, Seen, State, lacking, ok, unknown
from provisioner.doctor.look import Look, find_looks
from provisioner.doctor.system import System
from provisioner.errors import IsolationError
from provisioner.paths import PACKAGE


def raising(error: Exception) -> Callable[[System], Seen]:
    def ask(system: System) -> Seen:
        raise error

    return ask


# looks and how they are run


def test_every_look_has_a_name_of_its_own() -> None:
    names = [(one.group, one.name) for one in find_looks()]

    assert len(set(names)) == len(names)
    assert len(names) > 30


def test_a_new_file_is_a_new_look_without_another_edit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from provisioner.doctor import looks

    (tmp_path / "newcomer.py").write_text(
        "from provisioner.doctor.finding import ok\n"
        "from provisioner.doctor.look import look\n"
        "@look('a new group', 'newcomer')\n"
        "def look_at_newcomer(system):\n"
        "    return ok('found')\n"
    )
    monkeypatch.setattr(looks, "__path__", [*looks.__path__, str(tmp_path)])

    assert (find_looks()[-1].group, find_looks()[-1].name) == ("a new group", "newcomer")


def test_groups_come_in_the_order_of_a_report() -> None:
    groups = list(dict.fromkeys(one.group for one in find_looks()))

    assert groups == list(look.GROUPS)


def test_findings_stand_in_the_order_of_their_looks() -> None:
    report = report_of(*LOOKS)

    assert [finding.name for finding in report.findings] == ["roof", "door", "floor", "name"]
    assert report.counts == {State.OK: 1, State.LIMITED: 1, State.LACKING: 1, State.UNKNOWN: 1}


@pytest.mark.parametrize(
    ("error", "seen", "mend"),
    [
        (IsolationError("cannot see 'it': fog", "wait"), "cannot see 'it': fog", "wait"),
        (
            PermissionError(13, "Permission denied"),
            "the look failed: PermissionError: [Errno 13] Permission denied",
            "",
        ),
        (ValueError("two\nlines \x1b[31m"), "the look failed: ValueError: two lines ?[31m", ""),
    ],
)
def test_a_look_that_raises_is_unknown_and_ends_no_other(error: Exception, seen: str, mend: str) -> None:
    report = report_of(Look("host", "wall", raising(error)), GOOD)

    assert [finding.state for finding in report.findings] == [State.UNKNOWN, State.OK]
    assert (report.findings[0].seen, report.findings[0].mend) == (seen, mend)


def test_a_look_that_does_not_end_is_unknown_and_holds_up_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    never = threading.Event()
    monkeypatch.setitem(deadlines._SECONDS, "doctor.look", 0.3)
    monkeypatch.setattr(examine, "AT_MOST", 1)

    def hang(system: System) -> Seen:
        never.wait(90)
        return ok("too late")

    started = time.monotonic()
    report = report_of(*(Look("host", f"hole {number}", hang) for number in range(3)), GOOD)
    never.set()

    assert [finding.state for finding in report.findings] == [State.UNKNOWN] * 3 + [State.OK]
    assert report.findings[0].seen == "no answer after 0 s"
    assert time.monotonic() - started < 45


# abilities


def finding(name: str, state: State, **fields: Any) -> Finding:
    return Finding(group="g", name=name, state=state, seen=f"{name} is {state}", **fields)


def trial(name: str, state: State, gives: tuple[str, ...] | None = None) -> Finding:
    decided = (name, "container")
    given = (gives or decided) if state in (State.OK, State.LIMITED) else ()
    return finding(name, state, decides=decided, gives=given, mend=f"mend {name}")


def ability(findings: list[Finding], name: str) -> Ability:
    return next(one for one in judge_abilities(findings) if one.name == name)


def test_one_runtime_that_runs_gives_the_kind() -> None:
    found = [trial("docker", State.LACKING), trial("runc", State.OK)]

    assert ability(found, "container") == Ability(name="container", state=State.OK, by=("runc",))
    assert ability(found, "docker").state == State.LACKING


def test_what_stands_in_for_a_runtime_gives_the_kind_but_not_the_name() -> None:
    found = [trial("podman", State.LIMITED, ("podman+runc", "container")), trial("podman+runc", State.OK)]

    assert ability(found, "container").by == ("podman+runc",)
    assert ability(found, "podman+runc").state == State.OK
    assert ability(found, "podman").state == State.LACKING


def test_an_untold_runtime_leaves_the_kind_unknown_and_never_ok() -> None:
    found = [trial("docker", State.LACKING), trial("runc", State.UNKNOWN)]

    assert ability(found, "container").state == State.UNKNOWN
    assert ability(found, "container").mend == "mend runc"


@pytest.mark.parametrize(
    ("states", "expected"),
    [
        ((State.OK, State.LIMITED), State.OK),
        ((State.OK, State.UNKNOWN), State.UNKNOWN),
        ((State.LACKING, State.UNKNOWN), State.LACKING),
    ],
)
def test_the_lab_needs_all_of_its_parts(states: tuple[State, State], expected: State) -> None:
    found = [finding(name, state, needed_for=("lab",)) for name, state in zip("ab", states, strict=True)]

    assert ability(found, "lab").state == expected


def test_of_many_reasons_three_are_named() -> None:
    found = [finding(name, State.LACKING, needed_for=("lab",)) for name in "abcde"]

    assert ability(found, "lab").reason == "a: a is lacking; b: b is lacking; c: c is lacking; and 2 more"


def test_a_kind_that_nothing_decides_about_is_lacking() -> None:
    assert ability([], "vm") == Ability(name="vm", state=State.LACKING, reason="no runtime here makes one")


# --require


def test_required_names_are_split_and_kept_once() -> None:
    assert parse_required(["vm, docker", "docker,,podman+runc"]) == ("vm", "docker", "podman+runc")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("dokcer", "cannot require 'dokcer': no such kind or runtime; did you mean 'docker'"),
        ("podman+runk", "cannot find option 'runk' of runtime 'podman'; did you mean 'runc'"),
        ("self", "cannot require 'self': it needs no program"),
    ],
)
def test_a_name_that_is_none_is_refused_with_the_nearest(name: str, told: str) -> None:
    with pytest.raises(IsolationError) as caught:
        parse_required([name])

    assert str(caught.value).startswith(told)


def test_each_unmet_requirement_is_one_line_with_its_mend() -> None:
    report = report_of(
        Look("containers", "docker", saying(lacking("no daemon", "", "start it")), decides=("docker", "container")),
        Look("containers", "runc", saying(ok("hello")), decides=("runc", "container")),
        Look("virtual machines", "qemu", saying(unknown("not tried", "", "fetch one")), decides=("qemu", "vm")),
    )

    assert unmet(report, ["container", "docker", "vm", "runc"]) == [
        "cannot run 'docker': no daemon; start it",
        "cannot tell whether this machine runs 'vm': qemu: not tried; fetch one",
    ]


def test_what_no_look_looked_at_is_not_met() -> None:
    assert unmet(report_of(GOOD), ["lxc"]) == ["cannot tell whether this machine runs 'lxc': no look decides about it"]


# the command


@pytest.fixture
def cli(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Any]:
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path))
    runtime = Look("containers", "runc", saying(ok("hello")), decides=("runc", "container"))
    monkeypatch.setattr(look, "find_looks", lambda also=(): [*LOOKS, runtime])
    return lambda *args: CliRunner().invoke(app, ["doctor", *args])


def test_lacks_alone_are_no_failure(cli: Callable[..., Any]) -> None:
    done = cli()

    assert done.exit_code == 0
    assert "floor" in done.stdout


def test_what_is_required_and_there_is_no_failure(cli: Callable[..., Any]) -> None:
    assert cli("--require", "container,runc").exit_code == 0


def test_what_is_required_and_not_there_is_exit_status_1(cli: Callable[..., Any]) -> None:
    done = cli("--require", "container", "--require", "vm", "--json")

    assert done.exit_code == 1
    assert done.stderr == "provisioner: cannot run 'vm': no runtime here makes one\n"
    assert json.loads(done.stdout)["findings"]


def test_the_json_is_as_its_published_schema_says(cli: Callable[..., Any]) -> None:
    document = json.loads(cli("--json").stdout)
    schema = json.loads((PACKAGE / "schemas" / "doctor.schema.json").read_text())

    jsonschema.Draft202012Validator(schema).validate(document)
    assert document["schema"] == 1
    assert document["findings"][1] == {
        "group": "host",
        "name": "door",
        "state": "limited",
        "seen": "is open",
        "cost": "it is cold",
        "mend": "shut it",
        "note": "gently",
        "decides": [],
        "gives": [],
        "needed_for": [],
        "seconds": document["findings"][1]["seconds"],
    }
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**document, "findings": [{"group": "host"}]}, schema)
