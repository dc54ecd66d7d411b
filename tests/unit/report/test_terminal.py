"""pytest_isolation.report.terminal: the report for a terminal."""

from __future__ import annotations

import io

import pytest
from _pytest._io import TerminalWriter
from sample_results import sample

from provisioner.terminal import takes_unicode
from pytest_isolation.policy.verdict import Judgement, Verdict
from pytest_isolation.records.record import ATTACHED
from pytest_isolation.report.spans import to_text, write_lines
from pytest_isolation.report.terminal import draw
from pytest_isolation.results.merge import merge
from pytest_isolation.results.model import Cell, Check, Results, Skipped, Target


def rows_of(text: str) -> dict[str, list[str]]:
    """Return the signs of each row of the matrix."""
    rows = [line.split() for line in text.splitlines() if line.startswith("  ")]
    return {row[0]: row[1:] for row in rows if len(row) == 4 and "." in row[0]}


def test_matrix_shows_a_sign_for_each_cell() -> None:
    text = to_text(draw(sample(), 80))

    assert rows_of(text) == {
        "ns.pid": ["✗", "✓", "✓"],
        "user.root_mapped": ["~", "✓", "+"],
        "lim.pids": ["!", "w", "–"],
        "seccomp.mode": ["✓", "~", "–"],
        "vm.kernel": ["~", "~", "✓"],
        "net.peer_same": ["?", "·", "·"],
    }


def test_containers_come_before_vms_and_rows_are_sorted_by_area() -> None:
    lines = to_text(draw(sample(), 80)).splitlines()

    assert ["docker", "unshare", "qemu"] in [line.split() for line in lines]
    areas = ["namespaces", "users", "system calls", "limits", "network", "virtual machine"]
    assert areas == [line for line in lines if line in areas]


def test_ascii_stream_gets_ascii_only() -> None:
    text = to_text(draw(sample("é"), 80, unicode=False))

    assert text.isascii()
    assert "\\xe9" in text
    assert rows_of(text)["ns.pid"] == ["X", "+", "+"]


@pytest.mark.parametrize(
    ("encoding", "expected"), [("utf-8", True), ("UTF8", True), ("ascii", False), ("latin-1", False), (None, False)]
)
def test_encoding_decides_on_signs(encoding: str | None, expected: bool) -> None:
    assert expected is takes_unicode(encoding)


@pytest.mark.parametrize("width", [40, 60, 80, 200])
@pytest.mark.parametrize("many", [3, 12, 30, 120])
def test_matrix_fits_the_width(width: int, many: int) -> None:
    lines = to_text(draw(merge(sample(), wide(many)), width)).splitlines()
    marked = [line for line in lines if "·" in line and "not run" not in line]

    assert len(marked) >= 6
    assert [line for line in marked if len(line) > width] == []


def test_commands_and_reasons_are_never_cut() -> None:
    text = to_text(draw(sample(), 40))

    assert "reproduce: docker exec NAME readlink /proc/1/ns/pid\n" in text


def wide(count: int) -> Results:
    return Results(
        targets=tuple(Target(id=f"debian12/podman-rootless+crun{n}", kind="container") for n in range(count)),
    )


def test_too_many_columns_become_numbers_with_a_legend() -> None:
    text = to_text(draw(merge(sample(), wide(9)), 80))

    assert "1 = debian12/podman-rootless+crun0" in text
    assert any(line.split() == [str(n) for n in range(1, 13)] for line in text.splitlines())


def test_legend_holds_only_the_signs_that_occur() -> None:
    one = Results(
        checks=(Check(id="a.b"),),
        cells=(Cell(check="a.b", target="t", verdict=Verdict.HOLDS, judgement=Judgement.OK),),
    )
    text = to_text(draw(one, 80))

    assert "✓ holds" in text
    assert not any(f"  {sign} " in text for sign in "✗~w?!·")


def test_finding_has_seven_lines_at_most_and_the_worst_is_first() -> None:
    lines = to_text(draw(sample(), 120)).splitlines()
    start = lines.index("Findings, the worst first")

    assert lines[start + 1 : start + 9] == [
        "claim:     ns.pid: Processes outside are invisible",
        "target:    docker: open (critical)",
        "inside:    namespaces.pid = 4026531836",
        "outside:   namespaces.pid = 4026531836 (the host's own: 4026531836)",
        "cause:     shares the host's PID namespace",
        "remedy:    do not share the PID namespace: remove --pid=host",
        "reproduce: docker exec NAME readlink /proc/1/ns/pid",
        "",
    ]
    assert "net.peer_same on docker is unknown: TimeoutError: no answer in 5 s" in lines


def test_documented_source_is_shown_once() -> None:
    text = to_text(draw(sample(), 120))

    assert text.count("a container shares its host's kernel") == 1
    assert "  docker, unshare: vm.kernel\n" in text


def test_skipped_is_counted_with_reason_and_mend() -> None:
    text = to_text(draw(sample(), 120))

    assert "  2 × not applicable: a VM's tasks are the guest's own (qemu)\n" in text
    assert "  2 × podman, runc: not on PATH\n      mend: apt-get install podman\n" in text


def test_totals_are_shown_for_each_target() -> None:
    text = to_text(draw(sample(), 120))

    assert "docker (container): 1 hold, 2 documented, 3 findings\n" in text
    assert "qemu (vm, emulation): 2 hold, 1 better, 2 not applicable\n" in text


def test_totals_tell_what_was_not_asked_and_why() -> None:
    results = sample()
    cells = tuple(
        cell.model_copy(update={"reason": ATTACHED}) if cell.judgement == "none" else cell for cell in results.cells
    )

    text = to_text(draw(results.model_copy(update={"cells": cells}), 120))

    assert f"qemu (vm, emulation): 2 hold, 1 better, 2 not asked ({ATTACHED})\n" in text


@pytest.mark.parametrize(
    ("reasons", "told"),
    [
        (("no exec",), "2 not asked (no exec)"),
        (("no exec", "no peer"), "2 not asked (1 × no exec; 1 × no peer)"),
        (("no peer", "a VM's tasks are the guest's own"), "1 not applicable, 1 not asked (no peer)"),
    ],
)
def test_totals_tell_what_was_not_asked_of_a_place_that_the_run_did_not_make(
    reasons: tuple[str, ...], told: str
) -> None:
    results, left = sample(), [*reasons, *reasons]
    cells = tuple(
        cell.model_copy(update={"reason": left.pop(0)}) if (cell.target, cell.judgement) == ("qemu", "none") else cell
        for cell in results.cells
    )
    targets = tuple(
        one.model_copy(update={"not_asked": tuple(reason for reason in reasons if reason.startswith("no "))})
        for one in results.targets
    )

    text = to_text(draw(results.model_copy(update={"cells": cells, "targets": targets}), 120))

    assert f"qemu (vm, emulation): 2 hold, 1 better, {told}\n" in text


def test_last_line_names_the_next_step() -> None:
    last = to_text(draw(sample(), 120)).splitlines()[-1]
    nothing = Results(skipped=(Skipped(what="docker", reason="no daemon", mend="systemctl start docker"),))

    assert last == "3 findings. Next: mend ns.pid on docker, or waive it in isolation.yaml until a date."
    assert to_text(draw(nothing)).splitlines()[-1] == "Nothing was observed. Next: systemctl start docker."


def test_hostile_text_cannot_reach_the_terminal() -> None:
    for unicode in (True, False):
        text = to_text(draw(sample("\x1b[2J\u202e\u200b\r\n\x9b"), 100, unicode))

        assert not set(text) & set("\x1b\u202e\u200b\r\x9b")


def test_colour_is_never_alone() -> None:
    plain = {text for line in draw(sample(), 80) for text, markup in line if markup.get("red") and text.strip()}

    assert {"✗", "!"} <= {text.strip() for text in plain}


def test_lines_are_written_with_their_colours() -> None:
    stream = io.StringIO()
    writer = TerminalWriter(stream)
    writer.hasmarkup = True
    write_lines(writer, [[("a ", {}), ("✗", {"red": True, "bold": True})], []])

    assert stream.getvalue() == "a \x1b[31m\x1b[1m✗\x1b[0m\n\n"


@pytest.mark.parametrize(
    ("part", "line", "last"),
    [
        ({"moved": ("local: x",)}, "CHANGED OUTSIDE: local: x", "The host changed during the run."),
        ({"interrupted": ("1 of 2 checks judged",)}, "interrupted: 1 of 2 checks judged", "No findings so far."),
    ],
)
def test_a_run_that_was_disturbed_says_so(part: dict[str, tuple[str]], line: str, last: str) -> None:
    results = Results()
    disturbed = results.model_copy(update={"run": results.run.model_copy(update=part)})
    lines = to_text(draw(disturbed, 80)).splitlines()

    assert line in lines
    assert lines[-1].startswith(last)


@pytest.mark.parametrize(
    ("runtime", "last"),
    [
        ("command", "No findings, but run:box has no policy: 1 open wall listed, 1 not observed, none judged."),
        ("docker", "No findings. Next: ask for more"),
    ],
)
def test_a_target_without_policy_is_never_told_as_no_findings_alone(runtime: str, last: str) -> None:
    cells = tuple(
        Cell(check=check, target="run:box", verdict=verdict, judgement=Judgement.DOCUMENTED)
        for check, verdict in (("ns.net", Verdict.OPEN), ("img.setuid", Verdict.UNKNOWN))
    )
    results = Results(targets=(Target(id="run:box", kind="container", runtime=runtime),), cells=cells)

    assert to_text(draw(results, 80)).splitlines()[-1].startswith(last)


def test_without_v_there_are_matrix_findings_totals_and_the_next_step() -> None:
    text = to_text(draw(sample(), 120, verbosity=0))

    assert "Not holding, as documented" not in text
    assert "not applicable: a VM's tasks" not in text
    assert "vm.kernel" in text
    assert "  2 × podman, runc: not on PATH\n      mend: apt-get install podman\n" in text, "a missing target is told"
    assert (
        "-v shows why walls are open as documented, what holds better than documented, why checks do not apply\n"
        in text
    )


def test_quiet_shows_only_the_rows_with_findings() -> None:
    text = to_text(draw(sample(), 120, verbosity=-1))

    assert "vm.kernel" not in text
    assert "docker (container): 1 hold, 2 documented, 3 findings\n" in text
    assert "policy:" not in text


def test_what_was_not_observed_is_counted_apart() -> None:
    results = sample()
    first = next(cell for cell in results.cells if cell.judgement == "documented" and cell.target == "docker")
    cells = tuple(
        cell.model_copy(update={"verdict": Verdict.UNKNOWN}) if cell is first else cell for cell in results.cells
    )

    text = to_text(draw(results.model_copy(update={"cells": cells}), 120))

    assert "docker (container): 1 hold, 1 documented, 1 not observed, 3 findings\n" in text


def test_the_rows_of_own_tests_keep_the_names_of_the_tests() -> None:
    results = sample()
    cell, check = results.cells[0], results.checks[0]
    name = f"{'a/very/long/path/' * 4}test_file.py::test_this_one"
    other = results.model_copy(
        update={
            "cells": (cell.model_copy(update={"check": name}),),
            "checks": (check.model_copy(update={"id": name, "version": cell.version}),),
        }
    )

    assert "test_file.py::test_this_one " in to_text(draw(other, 80))


def test_a_busy_host_asks_for_another_run_and_for_no_waiver() -> None:
    results = sample()
    finding = results.findings()[0]
    busy = finding.model_copy(update={"verdict": Verdict.UNKNOWN, "reason": "loads[cpu] …: the host was too busy: …"})
    alone = results.model_copy(update={"cells": (busy,)})

    last = to_text(draw(alone, 200)).splitlines()[-1]

    assert last.startswith(
        f"The host was too busy for {finding.check}. Next: run it again on an idle host, with --isolation-check="
    )
    assert "waive" not in last
    worst = to_text(draw(results.model_copy(update={"cells": (busy, *results.cells)}), 200)).splitlines()[-1]
    assert "or waive it" in worst, "another finding comes first"
