"""What the environment does not allow is one line with cause and remedy; nothing is left; the exit status is not 0."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from e2e.account import Account
from sample_records import archived, blank

from faults.case import needs_root, wide
from faults.environments import NARROW, ROWS, Row
from faults.home import Home, session
from faults.phases import ANSWERS
from faults.promise import Promise
from faults.running import SESSION
from faults.world import World

pytestmark = needs_root
LONGEST = 500  # characters of the line


def cases() -> list[Any]:
    """Return each environment with each of its commands."""
    narrow = {(row.name, row.commands[0]) for row in ROWS if row.name in NARROW}
    return [
        pytest.param(row, command, id=f"{row.name}-{command}", marks=[] if (row.name, command) in narrow else [wide])
        for row in ROWS
        for command in row.commands
    ]


@pytest.mark.parametrize(("row", "command"), cases())
def test_what_the_environment_does_not_allow_is_one_line(row: Row, command: str, home: Home) -> None:
    home.write_test(ANSWERS)
    record = archived(blank(), home.path / "facts")
    argv = row.argv(command, home, record)
    before = World.now(home)

    with home.start(argv) as program:
        program.finish()

    broken = Promise(set(row.statuses)).broken(home, program, before)
    assert broken == [], program.text
    if program.process.returncode and row.says:
        lines = [line for line in program.text.splitlines() if row.says in line and row.hint in line]
        assert [line for line in lines if len(line) < LONGEST], program.text


@wide
@pytest.mark.parametrize("most", [1, 3, 8])
def test_too_many_processes_of_a_user_are_one_line(most: int) -> None:
    with Account() as account:
        (account.home / "test_user.py").write_text(ANSWERS)
        argv = account.pytest("--isolation=container", "--isolation-runtime=unshare", "-c", os.devnull)
        at = argv.index("-m") - 1
        limited = [*argv[:at], "bash", "-c", f'ulimit -u {most}; cd; exec "$@" test_user.py', "bash"]

        done = account.run([*limited, *argv[at:]], SESSION)

        text = done.stdout + done.stderr
        assert (done.returncode, account.processes()) == (4, {}), text
        assert "Traceback" not in text
        assert "INTERNALERROR" not in text
        assert "ulimit -u" in text


@wide
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "| head -c 1 >/dev/null; exit ${PIPESTATUS[0]}"])
def test_results_are_written_though_nothing_can_be_printed(redirection: str, home: Home) -> None:
    home.write_test(ANSWERS)

    with home.start(["bash", "-c", f'"$@" {redirection}', "bash", *session("unshare")]) as program:
        assert program.finish() == 1, program.text

    cells = json.loads((home.work / "report" / "results.json").read_text())["cells"]
    assert [cell["verdict"] for cell in cells] == ["holds"]


@wide
def test_the_matrix_is_printed_though_the_report_cannot_be_written(home: Home) -> None:
    row = next(row for row in ROWS if row.name == "report-full")
    home.write_test(ANSWERS)

    with home.start(row.argv("session", home, Path("/nosuch"))) as program:
        assert program.finish() == 4, program.text

    assert "unshare (container): 1 hold" in program.text
    assert "1 passed" in program.text


@wide
def test_a_fifo_for_results_is_replaced_without_a_reader(home: Home) -> None:
    home.write_test(ANSWERS)
    results = home.work / "report" / "results.json"
    results.parent.mkdir()
    os.mkfifo(results)

    with home.start(session("unshare")) as program:
        assert program.finish() == 0, program.text

    assert json.loads(results.read_text())["cells"]
