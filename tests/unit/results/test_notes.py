"""pytest_isolation.results.notes: what is said of known flaws, and what never follows from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from isolation_command import isolation
from sample_records import archived, blank

from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.verdict import Cell as CheckedCell
from pytest_isolation.policy.verdict import Check as CheckedCheck
from pytest_isolation.policy.verdict import Judgement, Verdict
from pytest_isolation.records.record import Record
from pytest_isolation.report.finding import finding_lines
from pytest_isolation.report.html import render_html
from pytest_isolation.report.spans import to_text
from pytest_isolation.report.terminal import draw
from pytest_isolation.results.build import assemble
from pytest_isolation.results.known import Known
from pytest_isolation.results.merge import merge
from pytest_isolation.results.model import Cell, Check, Note, Results, load_results
from pytest_isolation.results.notes import HEADING, known_by, lines_of, notes_of, notes_on

CHECKS = ("cap.ambient", "cap.bounding")


def flaw(*checks: str, affected: str = "<20.10.14", name: str = "CVE-2022-24769") -> Known:
    return Known(
        id=name,
        component="docker",
        title="capabilities were inherited",
        affected=[affected],
        fixed=["20.10.14"] if affected == "<20.10.14" else [],
        checks=list(checks or CHECKS[:1]),
        sign="an inheritable set that is not empty",
        source="the advisory",
        read="CVE record",
    )


def made_with(version: str, name: str = "docker") -> Record:
    record = blank(name)
    return record.model_copy(update={"target": record.target.model_copy(update={"versions": {"docker": version}})})


def results(*records: Record, known: list[Known] | None = None, **verdicts: Verdict) -> Results:
    """Return results with the notes on these records, and one verdict for each check."""
    cells = tuple(
        Cell(check=name.replace("_", ".", 1), target=record.target.id, verdict=verdict, judgement=Judgement.OK)
        for record in records
        for name, verdict in verdicts.items()
    )
    checks = tuple(Check(id=name.replace("_", ".", 1)) for name in verdicts)
    notes = tuple(note for record in records for note in notes_of(record, known or [flaw()]))
    return Results(cells=cells, checks=checks, notes=notes)


@pytest.mark.parametrize(
    ("verdict", "told"),
    [
        (Verdict.HOLDS, "holds here"),
        (Verdict.OPEN, "is OPEN here"),
        (Verdict.IGNORED, "is OPEN here"),
        (Verdict.REFUSED, "is OPEN here"),
        (Verdict.UNKNOWN, "could not be observed here"),
        (Verdict.NOT_APPLICABLE, "does not apply here"),
        (None, "did not run here"),
    ],
)
def test_a_note_shows_the_verdict_of_its_sign(verdict: Verdict | None, told: str) -> None:
    (line,) = lines_of(results(made_with("20.10.12"), **({"cap_ambient": verdict} if verdict else {})))

    expected = "docker 20.10.12 (docker): in the range of CVE-2022-24769 (upstream <20.10.14); sign: cap.ambient"
    assert line == f"{expected} {told}"


def test_a_note_on_a_distributions_build_says_that_it_may_have_the_fix() -> None:
    (line,) = lines_of(results(made_with("20.10.5+dfsg1"), cap_ambient=Verdict.HOLDS))

    assert line.endswith("sign: cap.ambient holds here; this build may have the fix")


@pytest.mark.parametrize("version", ["20.10.14", "28.0.0", "20.10.24+dfsg1", "", "unknown"])
def test_a_version_out_of_range_gets_no_note(version: str) -> None:
    assert lines_of(results(made_with(version), cap_ambient=Verdict.OPEN)) == []


@pytest.mark.parametrize(
    ("verdicts", "told"),
    [
        ((Verdict.HOLDS, Verdict.HOLDS), "signs: cap.ambient and cap.bounding hold here"),
        (
            (Verdict.OPEN, Verdict.HOLDS),
            "signs: cap.ambient is OPEN here, cap.bounding holds here",
        ),
    ],
)
def test_several_signs_are_shown_in_one_note(verdicts: tuple[Verdict, Verdict], told: str) -> None:
    ambient, bounding = verdicts
    found = results(made_with("20.10.12"), known=[flaw(*CHECKS)], cap_ambient=ambient, cap_bounding=bounding)

    assert told in lines_of(found)[0]


def test_targets_of_one_version_share_a_line_and_others_do_not() -> None:
    found = results(
        made_with("20.10.12", "docker"), made_with("20.10.12", "a/docker"), made_with("20.10.11", "b/docker")
    )

    heads = [line.partition(":")[0] for line in lines_of(found)]

    assert {"docker 20.10.12 (a/docker, docker)", "docker 20.10.11 (b/docker)"} == set(heads)


def test_notes_with_an_open_sign_come_first_and_the_rest_is_counted() -> None:
    known = [flaw("cap.bounding", name=f"CVE-2020-{number}") for number in range(9)]
    found = results(made_with("20.10.12"), known=[*known, flaw()], cap_ambient=Verdict.OPEN, cap_bounding=Verdict.HOLDS)

    lines = lines_of(found)

    assert "CVE-2022-24769" in lines[0]
    assert len(lines) == 6
    assert lines[-1] == "and 5 more, in index.html of --isolation-report=DIR"
    assert len(lines_of(found, 99)) == 10


def finding(record: Record, known: tuple[str, ...]) -> list[str]:
    return finding_lines(
        CheckedCell(
            CheckedCheck("cap.ambient", "Ambient sets are empty"),
            record.target.id,
            Verdict.OPEN,
            Judgement.FINDING,
            "it holds CHOWN",
            known=known,
        )
    )


def test_a_finding_names_the_flaw_with_its_sign() -> None:
    record = made_with("20.10.12")
    told = "CVE-2022-24769, capabilities were inherited: docker 20.10.12 is in its range (upstream <20.10.14)"

    assert (told,) == known_by("cap.ambient", record, [flaw()])
    assert known_by("cap.bounding", record, [flaw()]) == ()
    assert f"known:     {told}" in finding(record, (told,))
    assert not [line for line in finding(record, ()) if line.startswith("known:")]


def test_reports_show_notes_and_the_flaw_beside_the_finding() -> None:
    cell = Cell(check="cap.ambient", target="docker", verdict=Verdict.OPEN, judgement=Judgement.FINDING)
    found = results(made_with("20.10.12"), cap_ambient=Verdict.OPEN).model_copy(update={"cells": (cell,)})

    text, page = to_text(draw(found, 300)), render_html(found)

    assert f"{HEADING}\n  docker 20.10.12 (docker): in the range of CVE-2022-24769" in text
    assert "known:     CVE-2022-24769, capabilities were inherited" in text
    assert page.count("in the range of CVE-2022-24769 (upstream &lt;20.10.14)") == 1
    assert "Known flaws" in page
    assert "CVE-2022-24769, capabilities were inherited: docker 20.10.12 is in its range" in page
    assert HEADING not in to_text(draw(results(made_with("28.0.2")), 300))
    unknown = cell.model_copy(update={"verdict": Verdict.UNKNOWN})
    assert notes_on(found.model_copy(update={"cells": (unknown,)}), unknown) == ()


def test_notes_are_merged_by_target_and_flaw() -> None:
    one, two = results(made_with("20.10.12")), results(made_with("20.10.12"), made_with("20.10.11", "other"))

    both = merge(one, two)

    assert merge(two, one) == both == merge(both, both)
    assert [(note.target, note.known) for note in both.notes] == [
        ("docker", "CVE-2022-24769"),
        ("other", "CVE-2022-24769"),
    ]


def test_hostile_versions_are_escaped() -> None:
    found = results(made_with("20.10.12\x1b[2J\u202e"))

    assert not set(to_text(draw(found, 300))) & set("\x1b\u202e")
    assert not set(render_html(found)) & set("\x1b\u202e")


def test_notes_on_archived_facts_change_no_exit_status(tmp_path: Path) -> None:
    old, new = made_with("20.10.12"), made_with("28.0.2")
    done = [
        isolation("judge", "-v", archived(record, tmp_path / version), "--report", tmp_path / version)
        for record, version in ((old, "old"), (new, "new"))
    ]

    assert done[0].returncode == done[1].returncode
    assert "docker 20.10.12 (docker): in the range of CVE-2022-24769" in done[0].stdout
    assert HEADING not in done[1].stdout
    notes = load_results(tmp_path / "old").notes
    assert {"GHSA-6fw5-f8r9-fgfm", "moby #44978", "CVE-2022-24769"} == {note.known for note in notes}
    assert {"in range"} == {note.standing for note in notes}


def test_a_note_alone_is_no_finding() -> None:
    note = Note(target="docker", known="CVE-1", component="docker", version="1", standing="in range", range="<2")
    found = Results(notes=(note,))

    assert found.findings() == []
    assert assemble([], [made_with("20.10.12")], [], Policy()).findings() == []


def test_the_command_lists_describes_and_filters_flaws() -> None:
    every, some, one = (
        isolation("known"),
        isolation("known", "--runtime", "bwrap"),
        isolation("known", "CVE-2024-21626"),
    )

    assert (every.returncode, some.returncode, one.returncode) == (0, 0, 0)
    head, *rows = every.stdout.splitlines()
    assert head.split() == ["flaw", "of", "versions", "seen", "by", "sign"]
    assert len(rows) >= 40
    assert {"bubblewrap", "kernel"} == {
        part for row in some.stdout.splitlines()[1:] for part in row.split() if part in ("bubblewrap", "kernel", "runc")
    }
    assert "  seen by:     fd.outside_dir" in one.stdout.splitlines()
    assert "  Debian:      1.1.5+ds1-1+deb12u1" in one.stdout.splitlines()


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("CVE-2024-2162",), "cannot find known flaw 'CVE-2024-2162'; did you mean 'CVE-2024-21626'?"),
        (("--runtime", "dokcer"), "did you mean 'docker'?"),
        (("--runtime", "bwrap", "CVE-2024-21626"), "cannot find known flaw 'CVE-2024-21626'"),
    ],
)
def test_an_unknown_name_is_one_line_and_exit_status_4(args: tuple[str, ...], told: str) -> None:
    done = isolation("known", *args)

    assert done.returncode == 4
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_the_description_of_a_check_names_its_known_flaws() -> None:
    assert "flaws:      CVE-2024-21626 (runc)" in isolation("checks", "fd.outside_dir").stdout
