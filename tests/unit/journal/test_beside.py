"""provisioner.journal.beside: what dead runs left does not delay a session that does not need it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fakes import wait_for
from fakes_journal import OWNER, journals, lines

from provisioner.journal.beside import Leftovers
from provisioner.journal.entry import UndoEntry
from provisioner.journal.needs import MACHINES, Needs
from provisioner.journal.prune import prune
from provisioner.progress import set_listener

NEEDS = Needs(frozenset({"works"}))


@pytest.fixture
def said() -> Iterator[list[str]]:
    told: list[str] = []
    before = set_listener(told.append)
    yield told
    set_listener(before)


@pytest.fixture
def program(home: Path) -> Callable[[str, str], str]:
    def make(name: str, body: str) -> str:
        path = home / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return make


def leave(home: Path, *entries: tuple[str, list[str]], name: str = "0badcafe") -> None:
    """Write the journal of a dead run."""
    documents = [{"made": number, "kind": kind, "values": values} for number, (kind, values) in enumerate(entries, 1)]
    (home / "run" / "runs").mkdir(exist_ok=True, mode=0o700)
    file = home / "run" / "runs" / f"{name}.jsonl"
    file.write_bytes(lines(OWNER, *documents))
    file.chmod(0o600)


def hangs(home: Path, program: Callable[[str, str], str]) -> list[str]:
    """Return a command that ignores signals and notes its pid in `pid`."""
    return [program("hangs", f"trap '' INT TERM; echo $$ >{home}/pid; sleep 600; exit 1"), "isolation-0badcafe-1"]


def test_session_starts_while_a_program_that_it_does_not_use_hangs(
    home: Path, program: Callable[[str, str], str], said: list[str]
) -> None:
    needed, kept = home / "cache" / "needed", home / "cache" / "kept"
    needed.touch()
    kept.touch()
    leave(home, ("path", [str(kept)]), ("command", hangs(home, program)))
    leave(home, ("path", [str(needed)]), ("command", [program("works", "")]), name="0badcafd")
    leftovers = Leftovers(NEEDS)

    leftovers.undo()
    wait_for((home / "pid").exists, 10)

    assert not needed.exists()
    assert kept.exists()  # it goes after the command
    assert journals(home) == ["0badcafe.jsonl"]
    assert said == []
    leftovers.close()
    why = f"cannot run '{home}/hangs isolation-0badcafe-1': no end before the session's end"
    assert said == [f"a killed run's things stay: {why}; try again: provisioner prune"]
    assert journals(home) == ["0badcafe.jsonl"]
    assert not os.path.exists(f"/proc/{(home / 'pid').read_text().strip()}")


def test_what_ends_beside_the_session_is_told_once(
    home: Path, program: Callable[[str, str], str], said: list[str]
) -> None:
    folder = home / "cache" / "folder"
    folder.mkdir()
    leave(home, ("path", [str(folder)]), ("command", [program("other", f"test -d {folder}")]))
    leftovers = Leftovers(NEEDS)

    leftovers.undo()
    leftovers.close()
    leftovers.close()

    assert said == ["things of killed runs removed: 2"]
    assert journals(home) == []
    assert not folder.exists()


def test_what_a_session_needs_is_undone_before_it_starts(
    home: Path, program: Callable[[str, str], str], said: list[str]
) -> None:
    works = program("works", f"echo works >>{home}/log")
    launched = [program("launch", f"echo launch >>{home}/log"), "--", "works", "delete"]
    leave(home, ("command", [works]), ("command", launched), ("command", hangs(home, program)))
    leftovers = Leftovers(NEEDS)

    leftovers.undo()

    assert sorted((home / "log").read_text().split()) == ["launch", "works"]
    leftovers.stop()
    leftovers.close()
    assert len(said) == 1


def test_two_sessions_wait_for_one_hanging_program_once(
    home: Path, program: Callable[[str, str], str], said: list[str]
) -> None:
    leave(home, ("command", hangs(home, program)))
    first, second = Leftovers(NEEDS), Leftovers(NEEDS)
    first.undo()
    wait_for((home / "pid").exists, 10)
    pid = (home / "pid").read_text()

    second.undo()
    second.close()

    assert said == []
    assert prune() == []  # the first one holds the journal's lock
    assert (home / "pid").read_text() == pid
    first.stop()
    first.close()
    assert len(said) == 1
    assert journals(home) == ["0badcafe.jsonl"]


def test_stop_kills_the_program_and_its_helpers_at_once(home: Path, program: Callable[[str, str], str]) -> None:
    leave(home, ("command", [program("hangs", f"sleep 600 & echo $! >{home}/pid; wait"), "x"]))
    leftovers = Leftovers(NEEDS)
    leftovers.undo()
    wait_for(lambda: (home / "pid").exists() and (home / "pid").read_text().strip(), 10)

    leftovers.stop()
    leftovers.close()

    helper = Path(f"/proc/{(home / 'pid').read_text().strip()}/stat")
    assert not helper.exists() or helper.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_a_stop_that_comes_early_leaves_everything(home: Path, program: Callable[[str, str], str]) -> None:
    leave(home, *(("command", [program(name, f"echo >{home}/ran; sleep 60")]) for name in ("a", "b")))
    leftovers = Leftovers(NEEDS)
    leftovers.stop()  # the thread does not run yet
    leftovers.undo(beside=False)
    leftovers.close()

    assert journals(home) == ["0badcafe.jsonl"]
    assert not (home / "ran").exists()
    assert not [thread for thread in threading.enumerate() if thread.name == "isolation-leftovers"]


def test_files_of_a_daemon_stay_while_a_command_asks_it(home: Path, program: Callable[[str, str], str]) -> None:
    root = home / "run" / "docker-0badcafd"
    root.mkdir(parents=True)
    command = [program("other", f"test -d {root}"), f"--host=unix://{root}/socket"]
    leave(home, ("command", command), name="0badcafe")
    leave(home, ("path", [str(root)]), name="0badcafd")
    leftovers = Leftovers(NEEDS)

    leftovers.undo(beside=False)
    assert root.exists()
    leftovers.undo()
    leftovers.close()

    assert journals(home) == []
    assert not root.exists()


def test_prune_for_machines_skips_other_programs(home: Path, program: Callable[[str, str], str]) -> None:
    leave(home, ("command", hangs(home, program)))
    started = time.monotonic()

    assert prune(needs=MACHINES) == []
    assert time.monotonic() - started < 5
    assert journals(home) == ["0badcafe.jsonl"]


@pytest.mark.parametrize(
    ("kind", "values", "local", "machines"),
    [
        ("command", ("podman", "rm", "x"), True, True),
        ("command", ("/usr/bin/works", "rm"), False, True),
        ("command", ("/cache/probe", "launch", "--", "works"), False, True),
        ("verb", ("stop-machine", "/lab.yaml", "a"), True, False),
        ("verb", ("delete-canaries", "1", "-"), False, False),
        ("path", ("/a/b",), False, False),
    ],
)
def test_only_commands_of_others_wait(kind: str, values: tuple[str, ...], local: bool, machines: bool) -> None:
    entry = UndoEntry(1, kind, values)  # type: ignore[arg-type]  # one of the literals

    assert NEEDS.waits(entry) is local
    assert MACHINES.waits(entry) is machines
