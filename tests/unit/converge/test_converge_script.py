"""provisioner.converge.script, state and apply read scripted answers of machines."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes_converge import ScriptedConnection, words

from provisioner import progress
from provisioner.connection.local import LocalConnection
from provisioner.converge import script
from provisioner.converge.apply import HEAD as APPLY
from provisioner.converge.apply import Applied, apply_plan, converge, render_apply
from provisioner.converge.plan import plan_wanted
from provisioner.converge.role import Role
from provisioner.converge.script import FRAME, WAITING, Answer, AnswerEnded
from provisioner.converge.state import HEAD, TAIL, collect_wanted, read_present, read_state
from provisioner.deadlines import set_scale
from provisioner.errors import IsolationError

ROLES = (Role("web", resources={"package": ["jq"]}),)
WANTED = collect_wanted(ROLES, {})
THERE = words(HEAD, "package", "jq ii \n", TAIL)
GONE = words(HEAD, "package", "jq un \n", TAIL)


@pytest.fixture
def hurry() -> Iterator[None]:
    set_scale(0.0005)
    yield
    set_scale(1)


def error_of(act: Callable[[], object]) -> IsolationError:
    with pytest.raises(IsolationError) as caught:
        act()
    return caught.value


def test_a_machine_as_wanted_costs_one_round_trip() -> None:
    machine = ScriptedConnection(THERE)

    assert converge(machine, ROLES, {}).changed == 0
    assert len(machine.streams) == 1


def test_a_difference_is_sent_as_one_script_that_also_reads_again() -> None:
    machine = ScriptedConnection(GONE, words(APPLY, "done") + THERE)
    applied = converge(machine, ROLES, {})

    assert (applied.changed, applied.round_trips, [step.title for step in applied.steps]) == (1, 2, ["install 'jq'"])
    assert len(machine.streams) == 2


def test_what_is_not_so_after_an_apply_is_an_error() -> None:
    machine = ScriptedConnection(GONE, words(APPLY, "done") + GONE)

    assert str(error_of(lambda: converge(machine, ROLES, {}))) == (
        "cannot converge package 'jq' on 'web': after the apply, status is 'absent' again;"
        " another program on the machine undoes it: find and stop it"
    )


def test_a_step_that_failed_is_explained_and_its_output_kept() -> None:
    log = "Reading package lists...\nE: Unable to locate package jq\n"
    machine = ScriptedConnection(GONE, words(APPLY, "failed", "100", log))
    error = error_of(lambda: converge(machine, ROLES, {}))

    assert str(error) == "cannot install 'jq' on 'web': no such package; see the packages in role.yaml"
    assert error.log == log


def test_a_step_that_failed_for_an_unknown_reason_says_its_last_words() -> None:
    machine = ScriptedConnection(GONE, words(APPLY, "failed", "9", "first\nlast words\n"))

    assert str(error_of(lambda: converge(machine, ROLES, {}))) == (
        "cannot install 'jq' on 'web': last words; run again with -v to see the output"
    )


def test_reading_is_tried_again_when_the_connection_ends() -> None:
    machine = ScriptedConnection(words(HEAD), b"", THERE)

    assert read_present(machine, ROLES, {}).kinds["package"].status == {"jq": "installed"}
    assert len(machine.streams) == 3


def test_reading_is_not_tried_for_ever() -> None:
    machine = ScriptedConnection(b"", b"", b"", THERE)

    assert str(error_of(lambda: read_present(machine, ROLES, {}))) == (
        "cannot read the state of 'web': the connection ended; apply again: it continues there"
    )


def test_applying_is_never_repeated_and_says_what_was_under_way() -> None:
    machine = ScriptedConnection(GONE, words(APPLY), THERE)
    error = error_of(lambda: converge(machine, ROLES, {}))

    assert isinstance(error, AnswerEnded)
    assert str(error) == (
        "cannot apply the plan on 'web': the connection ended during: install 'jq'; apply again: it continues there"
    )
    assert len(machine.streams) == 2


def test_a_machine_that_refuses_is_quoted_and_not_asked_again() -> None:
    machine = ScriptedConnection(b"", THERE, errors=b"sudo: a password is required\n")

    assert str(error_of(lambda: read_present(machine, ROLES, {}))) == (
        "cannot read the state of 'web': sudo: a password is required;"
        " log in as root, or as a user with sudo and no password"
    )
    assert len(machine.streams) == 1


@pytest.mark.usefixtures("hurry")
def test_a_machine_that_does_not_answer_is_given_up() -> None:
    machine = ScriptedConnection(words(HEAD), hangs=True)

    assert str(error_of(lambda: read_present(machine, ROLES, {}))) == (
        "cannot read the state of 'web': no answer after 0 s; on a slow machine set PYTEST_ISOLATION_TIMEOUT_SCALE=5"
    )


def test_a_machine_that_cannot_be_reached_is_one_line() -> None:
    machine = ScriptedConnection(IsolationError("cannot reach 'web': nobody there", hint="provisioner up web"))

    assert str(error_of(lambda: read_present(machine, ROLES, {}))) == (
        "cannot reach 'web': nobody there; provisioner up web"
    )


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (words("hello"), f"'{HEAD}' was expected, not 'hello'"),
        (words(HEAD, "file"), "'package' was expected, not 'file'"),
        (THERE + b"more", "something follows its end"),
    ],
)
def test_an_answer_that_no_script_of_ours_gives_is_refused(said: bytes, why: str) -> None:
    error = error_of(lambda: read_present(ScriptedConnection(said), ROLES, {}))

    assert str(error) == f"cannot read the state of 'web': its answer is garbled: {why}"


def test_a_state_that_no_script_of_ours_prints_names_kind_and_line() -> None:
    machine = ScriptedConnection(words(HEAD, "package", "?", TAIL))

    assert str(error_of(lambda: read_present(machine, ROLES, {}))) == (
        "cannot read each package of 'web': no line of dpkg-query: '?'"
    )


def test_an_answer_without_end_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(script, "MAX_ANSWER", 1 << 20)
    machine = ScriptedConnection(b"x" * (2 << 20))

    assert str(error_of(lambda: read_present(machine, ROLES, {}))) == (
        "cannot read the state of 'web': its answer is longer than 1 MiB"
    )


def test_half_a_word_after_the_end_is_not_taken_for_the_end() -> None:
    with Answer(ScriptedConnection(words(TAIL) + b"half a word"), "", "read") as answer:
        answer.expect(TAIL, 5)
        with pytest.raises(IsolationError, match="something follows its end"):
            answer.expect_end(5)


def test_waiting_for_another_apply_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "PATIENCE", 0.0)
    said: list[str] = []
    before = progress.set_listener(said.append)
    try:
        answer = Answer(ScriptedConnection(words(WAITING, HEAD), hangs=True), "", "read")
        with answer:
            answer.expect_turn(HEAD, 5, "another apply on web", 5)
            with pytest.raises(IsolationError):
                answer.expect_turn(HEAD, 0.01, "another apply on web", 5)
    finally:
        progress.set_listener(before)

    assert next(line for line in said if "another apply" in line).startswith("wait for another apply on web")


def test_the_scripts_are_posix_sh(tmp_path: Path) -> None:
    """As dash reads them; shellcheck's opinion on generated lines is not asked."""
    roles = (Role("web", resources={"package": ["jq"], "module": ["veth"], "sysctl": {"vm.swappiness": 1}}),)
    machine = ScriptedConnection(words(HEAD, "package", "", "module", "", "sysctl", "", TAIL))
    plan = plan_wanted(collect_wanted(roles, {}), read_state(machine, collect_wanted(roles, {})))
    path = tmp_path / "script"
    for text in (machine.streams[0].written.decode(), FRAME.format(body=render_apply(plan))):
        path.write_text(text)

        assert subprocess.run(["sh", "-n", str(path)], capture_output=True, timeout=300).stderr == b""


def test_a_script_that_is_cut_short_on_its_way_does_nothing(tmp_path: Path) -> None:
    """The connection may end at any byte of it."""
    mark = tmp_path / "mark"
    whole = FRAME.format(body=f"touch {mark}; printf '%s\\0' done").encode()
    for cut in range(0, len(whole.rstrip()) - len("main </dev/null"), 3):
        LocalConnection().run(["sh", "-c", whole[:cut].decode()], 20)

    assert not mark.exists()
    assert LocalConnection().run(["sh", "-c", whole.decode()], 20).stdout == b"done\0"
    assert mark.exists()


def test_a_plan_without_changes_asks_nothing_of_the_machine() -> None:
    machine = ScriptedConnection(THERE)
    plan = plan_wanted(WANTED, read_present(machine, ROLES, {}))

    assert apply_plan(machine, plan) == Applied("web", 0)
    assert len(machine.streams) == 1
