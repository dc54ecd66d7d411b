"""What a killed run left of a runtime that hangs is undone beside a session that does not use the runtime."""

from __future__ import annotations

import os
import secrets
import signal
from pathlib import Path

import pytest

from faults.case import wide
from faults.home import Home, session
from faults.phases import WAITS
from faults.promise import left_soon
from faults.running import Running
from faults.strikes import STRIKES
from faults.table import STATUSES
from faults.world import World

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="cgroups and sandboxes of root: run as root")
HANGS = """#!/bin/sh
[ -e {marks}/released ] && exit
trap '' INT TERM HUP
echo $$ >>{marks}/podman
sleep 3600
exit 1
"""
INVENTORY = """
import os, time
from pathlib import Path

def test_it_waits(sandbox):
    marks = Path(os.environ["MARKS"])
    (marks / "tests").write_text(os.environ["MOLECULE_EPHEMERAL_DIRECTORY"])
    until = time.monotonic() + 60
    while time.monotonic() < until and not (marks / "struck").exists():
        time.sleep(0.1)
"""
STAYS = "a killed run's things stay: cannot run 'podman rm "
PATIENT = ("-o", "isolation_timeout_scale=10")  # podman is not given up before the session ends


def leave(home: Home) -> Path:
    """Leave two sandboxes of a killed run whose podman hangs; return its journal."""
    home.write_test(WAITS)
    podman = home.path / "bin" / "podman"
    podman.write_text(HANGS.format(marks=home.marks))
    podman.chmod(0o755)
    run = secrets.token_hex(4)  # the home ends each process that names it
    commands = [{"kind": "command", "values": ["podman", "rm", f"isolation-{run}-{number}"]} for number in (1, 2)]
    return home.plant_journal(commands, run)


def await_both(home: Home, program: Running) -> None:
    """Wait until podman hangs and a test runs."""
    program.await_(lambda: home.reached("podman") and home.reached("tests"), "podman hangs and a test runs")


def hanging(home: Home) -> list[str]:
    """Return the command lines of the podman that hangs."""
    return [line for line in home.processes().values() if "podman" in line]


def test_a_session_goes_on_while_another_runtime_hangs(home: Home) -> None:
    journal = leave(home)
    with home.start(session("unshare")) as program:
        await_both(home, program)
        home.mark("struck")
        program.finish()

    assert program.broken({0}) == []
    assert program.text.count("a killed run's things stay: ") == 1
    assert program.text.index(" passed in ") < program.text.index(STAYS), program.text
    assert journal.exists()
    assert hanging(home) == []
    home.release()
    home.prune()
    assert not journal.exists()


@wide
@pytest.mark.parametrize("signals", ["INT", "TERM", "INT INT", "KILL"])
def test_an_interrupt_ends_the_runtime_that_hangs(signals: str, home: Home) -> None:
    journal = leave(home)
    before = World.now(home)
    with home.start([*session("unshare"), *PATIENT]) as program:
        await_both(home, program)
        STRIKES[signals](home, program)
        program.finish(20)

    assert program.broken(STATUSES[signals]) == []
    # the kernel ends podman with a killed session, and the next prune what podman started
    left = [line for line in left_soon(home, before) if line.startswith("process ")]
    assert [line for line in left if signals != "KILL" or "sleep 3600" not in line] == []
    assert journal.exists()
    home.release()
    home.prune()
    assert left_soon(home, before) == []


@wide
def test_two_sessions_ask_a_runtime_that_hangs_once(home: Home) -> None:
    leave(home)
    with home.start([*session("unshare"), *PATIENT]) as first:
        await_both(home, first)
        with home.start([*session("unshare"), *PATIENT]) as second:
            second.await_(lambda: " PASSED" in second.text, "the other one tests")
            home.mark("struck")
            second.finish()
        first.finish()

    assert (first.broken({0}), second.broken({0})) == ([], [])
    assert len((home.marks / "podman").read_text().split()) == 1
    assert STAYS in first.text
    assert "a killed run's things stay: " not in second.text


def test_the_inventory_of_a_killed_session_is_in_the_run_folder_and_the_next_session_deletes_it(home: Home) -> None:
    pytest.importorskip("testinfra", reason="pip install 'pytest-isolation[lab]'")
    argv = session("unshare")
    at = argv.index("no:testinfra")
    del argv[at - 1 : at + 1]
    temporary = home.path / "tmp"
    temporary.mkdir()
    home.write_test(INVENTORY)
    with home.start(argv, {"TMPDIR": str(temporary)}) as program:
        program.await_(lambda: home.reached("tests") and (home.marks / "tests").read_text(), "its test waits")
        folder = Path((home.marks / "tests").read_text())
        assert (folder / "ansible_inventory.yml").exists()
        program.process.send_signal(signal.SIGKILL)
        program.process.wait(60)

    assert folder.parent == home.path / "run"
    assert folder.exists(), "what is there now must be seen, or nothing proves that it goes"
    assert list(temporary.iterdir()) == []
    home.mark("struck")
    with home.start(argv, {"TMPDIR": str(temporary)}) as program:
        program.finish()
    assert program.broken({0}) == []
    assert not folder.exists()
    assert list((home.path / "run").glob(".tmp-*")) == []
    assert list(temporary.iterdir()) == []
