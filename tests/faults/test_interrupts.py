"""Interrupts: the line that each signal causes, what a forced end leaves, and the report of a part of a run."""

from __future__ import annotations

import json
import re
import secrets
import sys
from pathlib import Path
from typing import Any

import pytest

from faults.case import needs, needs_root, wide
from faults.home import Home, provisioner, session
from faults.phases import ANSWERS, WAITS
from faults.running import Running
from faults.world import World, difference

pytestmark = needs_root

IMPORTS = """
import os, time
from pathlib import Path

Path(os.environ["MARKS"], "imports").touch()
for _ in range(600):
    time.sleep(0.1)  # not at once: a signal just before a system call does not end it (Python looks between calls)
"""
BOTH_WAIT = """
import os, time
from pathlib import Path

def test_it_waits(sandbox):
    Path(os.environ["MARKS"], "tests").touch()
    for _ in range(600):
        time.sleep(0.1)
"""
CATCHES = """
import os, signal, time
from pathlib import Path

handled = []
signal.signal(signal.SIGTERM, lambda number, frame: handled.append(number))

def test_the_handler_of_a_user_stays(sandbox):
    os.kill(os.getpid(), signal.SIGTERM)
    assert handled == [signal.SIGTERM]
"""
EXITS = """
import atexit, os, time
from pathlib import Path

marks = Path(os.environ["MARKS"])

@atexit.register
def wait():
    marks.joinpath("exits").touch()
    while not marks.joinpath("struck").exists():
        time.sleep(0.1)
"""
KILLS_CLIENT = """
def test_the_client_of_the_runtime_is_killed(sandbox):
    sandbox.live._stream.kill()  # the runtime then has to delete the sandbox
"""
FIRST = re.compile(r"^isolation: interrupted; removing .*\(Ctrl-C twice more ends at once\)$", re.M)


def results(home: Home) -> dict[str, Any]:
    """Return the report of a session."""
    read: dict[str, Any] = json.loads((home.work / "report" / "results.json").read_text())
    return read


def strike_while_a_test_waits(home: Home, test: str, signal: str, *arguments: str, group: bool = False) -> Running:
    """Run a session, send it a signal while a test waits, and wait for its end."""
    home.write_test(test)
    with home.start([*session("unshare"), *arguments]) as program:
        program.await_(lambda: home.reached("tests"), "a test waits")
        program.send(signal, group)
        program.finish(40)
    return program


def test_an_interrupted_session_writes_a_report_that_says_it_is_a_part(home: Home) -> None:
    program = strike_while_a_test_waits(home, WAITS, "INT")

    assert program.broken({2}) == []
    assert len(FIRST.findall(program.text)) == 1, program.text
    assert "interrupted: 1 of 2 checks judged" in program.text
    assert results(home)["run"]["interrupted"] == ["1 of 2 checks judged"]
    assert len(results(home)["cells"]) == 1
    assert "interrupted: 1 of 2 checks judged" in (home.work / "report" / "index.html").read_text()


@wide
def test_after_sigterm_the_matrix_is_printed_too(home: Home) -> None:
    program = strike_while_a_test_waits(home, WAITS, "TERM")

    assert program.broken({143}) == []
    assert re.search(r"^isolation: interrupted by SIGTERM; removing \d+ ", program.text, re.M)
    assert "interrupted: 1 of 2 checks judged" in program.text


@pytest.mark.parametrize(("signal", "status"), [("INT", 2), pytest.param("TERM", 143, marks=wide)])
def test_an_interrupt_while_a_conftest_is_imported_is_one_line(home: Home, signal: str, status: int) -> None:
    home.write_test(ANSWERS, conftest=IMPORTS)
    with home.start(session("unshare")) as program:
        program.await_(lambda: home.reached("imports"), "conftest.py is imported")
        program.send(signal)
        program.finish(15)

    assert program.broken({status}) == []
    assert program.text.startswith("\nisolation: interrupted")


@wide
@needs("runc")
def test_an_interrupt_while_a_sandbox_is_deleted_keeps_the_results(home: Home) -> None:
    home.write_test(KILLS_CLIENT)
    home.stand_in("runc", " delete ", "slow")
    before = World.now(home)
    with home.start(session("runc")) as program:
        program.await_(lambda: home.reached("runc"), "runc delete takes five seconds")
        written = results(home)
        program.send("INT")
        program.await_(lambda: FIRST.search(program.text), "the first line")
        program.send("INT")
        program.finish(60)

    assert program.broken({2}) == []
    assert written["cells"]
    assert results(home) == written
    assert "isolation: still removing " in program.text
    assert difference(before, World.now(home)) == []


@needs("runc")
def test_the_third_signal_ends_a_session_that_hangs_and_names_what_is_left(home: Home) -> None:
    home.write_test(KILLS_CLIENT)
    home.stand_in("runc", " delete ", "hang")
    before = World.now(home)
    with home.start(session("runc")) as program:
        program.await_(lambda: home.reached("runc"), "runc delete hangs")
        program.send("INT")
        program.await_(lambda: FIRST.search(program.text), "the first line")
        program.send("INT")
        program.await_(lambda: "isolation: still removing " in program.text, "the second line")
        program.send("INT")
        program.finish(10)

    assert program.broken({130}) == []
    assert re.search(r"^isolation: ended at once; left for `provisioner prune`: sandbox isolation-", program.text, re.M)
    home.release()
    home.prune()
    assert difference(before, World.now(home)) == []


@wide
@pytest.mark.parametrize(("signal", "group", "status"), [("INT", True, 2), ("INT", False, 2), ("TERM", True, 143)])
def test_an_interrupted_session_ends_its_workers(home: Home, signal: str, group: bool, status: int) -> None:
    before = World.now(home)
    program = strike_while_a_test_waits(home, BOTH_WAIT, signal, "-n2", group=group)

    assert program.broken({status}) == []
    assert len(re.findall("^isolation: interrupted(?:;| by)", program.text, re.M)) == 1, program.text
    assert "interrupted: 0 of 1 checks judged" in program.text
    assert difference(before, World.now(home)) == []


@wide
def test_the_handler_of_a_user_stays(home: Home) -> None:
    home.write_test(CATCHES)
    with home.start(session("unshare")) as program:
        program.finish(60)

    assert program.broken({0}) == []


@pytest.mark.parametrize("entry", ["module", "script"])
def test_a_signal_after_the_session_shows_no_traceback(home: Home, entry: str) -> None:
    home.write_test("def test_one(sandbox): pass\n", EXITS)
    argv = session("unshare")
    if entry == "script":
        argv = [str(Path(sys.executable).with_name("pytest")), *argv[3:]]
    with home.start(argv) as program:
        program.await_(lambda: home.reached("exits"), "the interpreter ends")
        program.send("INT")
        program.send("TERM")
        home.mark("struck")
        program.finish(30)

    assert program.broken({0}) == []


@wide
def test_prune_finishes_what_it_undoes_and_undoes_no_more(home: Home) -> None:
    home.stand_in("true", " undo ", "slow")
    run = secrets.token_hex(4)
    first, second = f"isolation-{run}-2", f"isolation-{run}-1"
    values = [[str(home.path / "bin" / "true"), "undo", name] for name in (second, first)]
    home.plant_journal([{"kind": "command", "values": one} for one in values], run)
    with home.start(provisioner("prune")) as program:
        program.await_(lambda: home.reached("true"), "the first undo takes five seconds")
        program.send("INT")
        program.finish(15)

    assert program.broken({130}) == []
    assert program.text == f"provisioner: interrupted; removing sandbox {first} (Ctrl-C twice more ends at once)\n"
    home.release()
    assert second in home.prune()


TRAPS = "trap 'echo caught; exit 7' TERM; touch $MARKS/tests; for _ in $(seq 1200); do sleep 0.05; done"


@wide
@needs("dockerd")
def test_a_daemon_gives_signals_to_the_command_and_is_stopped_after_it(home: Home) -> None:
    before = World.now(home)
    with home.start(provisioner("daemon", "docker", "--", "sh", "-c", TRAPS)) as program:
        program.await_(lambda: home.reached("tests"), "the command runs")
        program.send("TERM")
        program.finish(60)

    assert program.broken({7}) == []
    assert "provisioner: interrupted by SIGTERM; waiting for 'sh'" in program.text
    assert "caught" in program.text
    assert difference(before, World.now(home)) == []


@pytest.mark.parametrize("program", ["provisioner", "pytest_isolation"])
@pytest.mark.parametrize(
    "signals", [["INT", "INT"], *(pytest.param([name], marks=wide) for name in ("INT", "TERM", "HUP"))], ids="-".join
)
def test_a_command_that_begins_shows_no_traceback(home: Home, program: str, signals: list[str]) -> None:
    """The import of typer is one moment of many; it is known by a stand-in for the module."""
    modules = home.path / "modules"  # not the working folder: the prune at the end imports typer too
    modules.mkdir()
    (modules / "typer.py").write_text(IMPORTS)
    with home.start([sys.executable, "-m", program, "--help"], {"PYTHONPATH": str(modules)}) as started:
        started.await_(lambda: home.reached("imports"), "typer is imported")
        for signal in signals:
            started.send(signal)
        started.finish(10)

    number = {"INT": 130, "TERM": 143, "HUP": 129}[signals[0]]
    assert started.broken({number}) == []
