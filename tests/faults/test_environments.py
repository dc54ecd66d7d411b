"""What the environment does not allow is one line with cause and remedy; nothing is left; the exit status is not 0."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest
from e2e.account import Account
from sample_records import archived, blank

from faults.environments import ROWS, Row
from faults.home import Home
from faults.phases import ANSWERS
from faults.world import World, difference

SECONDS = 90.0  # for one command; a hang fails
SOON = 5.0  # for what ends by itself after it
LONGEST = 500  # characters of the line


WIDE = os.environ.get("PYTEST_ISOLATION_FAULTS") == "wide"


def cases() -> list[Any]:
    pairs = [(row, command) for row in ROWS for command in ((*row.commands, *row.wide) if WIDE else row.commands[:1])]
    return [pytest.param(row, command, id=f"{row.name}-{command}") for row, command in pairs]


def left(home: Home, before: World) -> list[str]:
    until = time.monotonic() + SOON
    while (lines := difference(before, World.now(home))) and time.monotonic() < until:
        time.sleep(0.1)
    return lines


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
@pytest.mark.parametrize(("row", "command"), cases())
def test_what_the_environment_does_not_allow_is_one_line(row: Row, command: str, home: Home) -> None:
    home.write_test(ANSWERS)
    record = archived(blank(), home.path / "facts")
    argv = row.argv(command, home, record)
    before = World.now(home)

    with home.start(argv) as program:
        program.finish(SECONDS)

    assert program.broken(row.statuses) == [], program.text
    if program.process.returncode and row.says:
        lines = [line for line in program.text.splitlines() if row.says in line and row.hint in line]
        assert [line for line in lines if len(line) < LONGEST], program.text
    assert left(home, before) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="root makes the user")
@pytest.mark.parametrize("most", [1, 3, 8])
def test_too_many_processes_of_a_user_are_one_line(most: int) -> None:
    with Account() as account:
        (account.home / "test_user.py").write_text(ANSWERS)
        session = [*account.pytest("--isolation=container", "--isolation-runtime=unshare", "-c", os.devnull), "--"]
        at = session.index("-m") - 1
        limited = [*session[:at], "bash", "-c", f'ulimit -u {most}; cd; exec "$@" test_user.py', "bash"]

        done = account.run([*limited, *session[at:-1]], SECONDS)

        text = done.stdout + done.stderr
        assert (done.returncode, account.processes()) == (4, {}), text
        assert "Traceback" not in text
        assert "INTERNALERROR" not in text
        assert "ulimit -u" in text


@pytest.mark.skipif(os.geteuid() != 0, reason="sandboxes of root")
@pytest.mark.parametrize("redirection", [">/dev/full", ">&-", "| head -c 1 >/dev/null; exit ${PIPESTATUS[0]}"])
def test_results_are_written_though_nothing_can_be_printed(redirection: str, home: Home) -> None:
    from faults.home import session

    home.write_test(ANSWERS)

    with home.start(["bash", "-c", f'"$@" {redirection}', "bash", *session("unshare")]) as program:
        assert program.finish(SECONDS) == 1, program.text

    cells = json.loads((home.work / "report" / "results.json").read_text())["cells"]
    assert [cell["verdict"] for cell in cells] == ["holds"]


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts need root")
def test_the_matrix_is_printed_though_the_report_cannot_be_written(home: Home) -> None:
    row = next(row for row in ROWS if row.name == "report-full")
    home.write_test(ANSWERS)

    with home.start(row.argv("session", home, Path("/nosuch"))) as program:
        assert program.finish(SECONDS) == 4, program.text

    assert "unshare (container): 1 hold" in program.text
    assert "1 passed" in program.text
