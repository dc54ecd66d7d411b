"""pytest_isolation.policy.remedies: the role's remedy, otherwise the check's general one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from sample_records import blank

from provisioner.errors import IsolationError
from provisioner.paths import ROLES
from provisioner.runtimes.load import load_runtime
from pytest_isolation.judge.judge import judge_verdict, suite_checks
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import bundled_ids, load_expected
from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.remedies import (
    NoSetting,
    RemedyFile,
    cases_of,
    load_remedies,
    remedies_by_runtime,
    remedy_for,
    reproduce_for,
)
from pytest_isolation.policy.verdict import Cell as CheckedCell
from pytest_isolation.policy.verdict import Check, Judgement, Verdict, check_of
from pytest_isolation.reference.checks import describe_check, render_reference
from pytest_isolation.report.html import render_html
from pytest_isolation.report.spans import to_text
from pytest_isolation.report.terminal import draw
from pytest_isolation.results.build import results_of
from pytest_isolation.results.model import Cell, Results

CHECKS = {check.id: check for check in map(check_of, suite_checks())}


def write(roles: Path, **texts: str) -> Path:
    for name, text in texts.items():
        (roles / name).mkdir()
        (roles / name / "remedies.yaml").write_text(text)
    return roles


def test_a_role_takes_missing_lines_from_the_role_that_it_is_like(tmp_path: Path) -> None:
    write(
        tmp_path,
        one="remedies:\n  ns.pid: --pid private\n  ns.net: --net own\n",
        two="like: one\nremedies:\n  ns.net: {none: it has no network}\n",
        three="like: two\n",
    )

    assert load_remedies("three", tmp_path).remedies == {
        "ns.pid": "--pid private",
        "ns.net": NoSetting(none="it has no network"),
    }
    assert remedies_by_runtime(tmp_path)["ns.net"]["three"] == "three has no setting for it: it has no network"


def test_the_general_remedy_counts_if_the_role_has_no_line(tmp_path: Path) -> None:
    own = Check("mine.loopback_only", remedy="--network none")

    assert remedy_for(own, "docker", "open", "", Conditions()) == "--network none"
    assert remedy_for(own, "pid", "open", "", Conditions()) == "--network none"
    assert load_remedies("empty", write(tmp_path, empty="")) == RemedyFile()
    assert load_remedies("elsewhere", tmp_path) == RemedyFile()


def test_a_remedy_depends_on_the_cause() -> None:
    check = CHECKS["lim.pids"]
    told = {
        (runtime, verdict, user, cgroup): remedy_for(
            check, runtime, verdict, "why", Conditions.model_validate({"user": user, "cgroup": cgroup})
        )
        for runtime, verdict, user, cgroup in (
            ("podman", "open", "other", "v1"),
            ("podman", "ignored", "other", "v1"),
            ("podman", "ignored", "other", "v2"),
            ("nspawn", "open", "root", "v2"),
            ("nspawn", "ignored", "root", "v2"),
        )
    }

    assert told["podman", "open", "other", "v1"] == "--pids-limit=100"
    assert (
        "cgroup v1: boot the host with systemd.unified_cgroup_hierarchy=1" in told["podman", "ignored", "other", "v1"]
    )
    assert "Delegate=" in told["podman", "ignored", "other", "v2"]
    assert told["nspawn", "open", "root", "v2"].startswith("--property=TasksMax=100")
    assert "--property= has no effect" in told["nspawn", "ignored", "root", "v2"]


@pytest.mark.parametrize(
    ("check", "runtime", "shown"),
    [
        ("ns.pid", "docker", "readlink /proc/self/ns/pid    # inside: docker exec NAME"),
        ("ns.pid", "crun", "readlink /proc/self/ns/pid    # inside: crun exec ID"),
        ("ns.pid", "pid", "readlink /proc/self/ns/pid"),
        ("ns.pid", "bwrap", "readlink /proc/self/ns/pid    # inside: nsenter --all --target PID; "
         "PID: lsns --type mnt --output PID,COMMAND"),
        ("key.session", "podman", "keyctl show @s    # inside (podman exec NAME) and on the host: the same serial"),
        ("lsm.distinct", "runc", "cat /proc/PID/attr/current    # on the host, of two sandboxes; PID: runc state ID"),
        ("img.user", "podman", "podman image inspect --format '{{.Config.User}}' IMAGE"),
    ],
)  # fmt: skip
def test_a_check_is_shown_in_the_runtimes_own_words(check: str, runtime: str, shown: str) -> None:
    assert reproduce_for(CHECKS[check], runtime) == shown


def test_a_users_own_command_is_shown_as_it_is() -> None:
    assert reproduce_for(Check("mine.loopback_only", reproduce="ip link"), "docker") == "ip link"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("remedies:\n  ns.pidd: x\n", "remedies.yaml:2: the key 'ns.pidd' is not allowed: the suite has no such check"),
        ("remedies:\n  ns.pidd: x\n", "did you mean 'ns.pid'?"),
        ("remedies:\n  pid: x\n", "remedies.yaml:2: the key 'pid' is not allowed"),
        ("remedies:\n  ns.pid: 5\n", "remedies.yaml:2: remedies.ns.pid"),
        ("remedies:\n  ns.pid: ''\n", "remedies.yaml:2: remedies.ns.pid"),
        ("remedies:\n  ns.pid: {nonne: why}\n", "remedies.yaml:2: unknown key 'nonne'"),
        ("ns.pid: x\n", "remedies.yaml:1: unknown key 'ns.pid'"),
        ("like: othre\n", "like: no role 'othre' has a remedies.yaml; did you mean 'other'?"),
        ("like: ../other\n", "remedies.yaml:1: like"),
        ("like: one\n", "like: one leads in a circle: one → one"),
        ("like: back\n", "like: one leads in a circle: one → back → one"),
        ("- ns.pid\n", "remedies.yaml:1"),
        ("remedies:\n  ns.pid: []\n", "remedies.yaml:2: remedies.ns.pid"),
        ("remedies:\n  ns.pid:\n    - {because: x, remedy: y}\n", "the last remedy must be for any other cause"),
        ("remedies:\n  ns.pid:\n    - {becuase: x, remedy: y}\n", "did you mean 'because'?"),
        ("remedies:\n  ns.pid:\n    - {verdict: shut, remedy: y}\n", "remedies.yaml:3"),
    ],
)
def test_what_cannot_be_meant_is_one_line(tmp_path: Path, text: str, told: str) -> None:
    write(tmp_path, one=text, other="", back="like: one\n")

    with pytest.raises(IsolationError) as caught:
        load_remedies("one", tmp_path)

    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def results(remedy: str) -> Results:
    check = Check("ns.pid", "Processes outside are invisible", remedy="give it one of its own")
    cell = CheckedCell(check, "docker", Verdict.OPEN, Judgement.FINDING, "it shares the host's", remedy=remedy)
    return results_of([cell], Results().run)


@pytest.mark.parametrize(("given", "shown"), [("drop --pid=host", "drop --pid=host"), ("", "give it one of its own")])
def test_a_finding_shows_the_remedy_of_its_runtime(given: str, shown: str) -> None:
    """Results of before have no remedy in their cells."""
    found = results(given)

    assert f"remedy:    {shown}\n" in to_text(draw(found, 120))
    assert render_html(found).count(shown) == 2  # in its cell, and among the findings
    assert found.cells == (Cell.model_validate(found.cells[0].model_dump()),)


def test_a_wall_that_holds_has_no_remedy_in_the_results() -> None:
    record = blank()
    check = CHECKS["ns.pid"]

    assert judge_verdict(check, record, Policy(), Verdict.OPEN, "").remedy == "drop --pid=host"
    assert judge_verdict(check, record, Policy(), Verdict.UNKNOWN, "").remedy == "drop --pid=host"
    assert judge_verdict(check, record, Policy(), Verdict.HOLDS, "").remedy == ""


def test_remedies_are_listed_with_their_runtimes() -> None:
    check = Check("ns.pid", "Processes outside are invisible", remedy="give it one of its own")
    remedies = {"docker": "drop --pid=host", "podman": "drop --pid=host", "lxc": "drop lxc.namespace.keep=pid"}

    told = describe_check(check, (), remedies)
    page = render_reference([check], {}, {}, {}, {"ns.pid": remedies})

    assert told[-2:] == ["  on docker, podman: drop --pid=host", "  on lxc: drop lxc.namespace.keep=pid"]
    assert "- remedy: give it one of its own\n  - docker, podman: drop --pid=host\n  - lxc: drop" in page


@pytest.mark.parametrize("runtime", ["docker", "podman", "runc", "lxc", "qemu", "machine"])
def test_every_check_has_its_remedy(runtime: str) -> None:
    kind = load_runtime(runtime).kind
    asked = {check.id for check in CHECKS.values() if kind in check.kinds}

    lacking = sorted(asked - load_remedies(runtime).remedies.keys())

    assert lacking == [], f"roles/{runtime}/remedies.yaml: a line for each, or {{none: why}}"


@pytest.mark.parametrize("runtime", sorted(path.parent.name for path in ROLES.glob("*/remedies.yaml")))
def test_remedies_name_only_checks_of_the_runtimes_kind(runtime: str) -> None:
    kind = load_runtime(runtime).kind

    assert [name for name in load_remedies(runtime).remedies if kind not in CHECKS[name].kinds] == []


def test_each_check_is_in_the_reference_with_its_remedies() -> None:
    assert remedies_by_runtime().keys() == bundled_ids()


VARIABLES = [
    pytest.param(case.remedy, id=f"{path.parent.name}: {check}")
    for path in sorted(ROLES.glob("*/remedies.yaml"))
    for check, remedy in load_remedies(path.parent.name).remedies.items()
    for case in cases_of(remedy)
    if isinstance(case.remedy, str) and re.search(r"\bunset [A-Z]", case.remedy)
]


@pytest.mark.parametrize("remedy", VARIABLES)
def test_a_variable_is_unset_only_where_it_is_set(remedy: str) -> None:
    assert len(re.findall(r"\bunset [A-Z]", remedy)) == len(re.findall(r"where (it is|they are) set", remedy))


def test_what_a_stock_sandbox_leaves_open_is_not_mended_by_a_variable_that_nobody_set() -> None:
    policy = Policy(expected={path.parent.name: load_expected(path) for path in ROLES.glob("*/expected.yaml")})
    wrong = [
        (runtime, check)
        for runtime, expected in policy.expected.items()
        for check, entries in expected.root.items()
        for entry in (entries if isinstance(entries, list) else [entries])
        for because in ([entry.because] if isinstance(entry.because, str) else entry.because or [""])
        if entry.verdict == "open"
        and re.match(r"(where|unset) ", remedy_for(CHECKS[check], runtime, "open", because, Conditions()))
    ]

    assert wrong == []
