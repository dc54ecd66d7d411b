"""provisioner.journal.lanes: a program that hangs costs one deadline, and nothing that another one left."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioner.connection import hanging
from provisioner.connection.hanging import SilentDaemon
from provisioner.journal.entry import UndoEntry
from provisioner.journal.lanes import Patience, undo_all

SHORT = Patience(1.0, 6.0)


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], str]:
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path))

    def make(name: str, body: str) -> str:
        path = tmp_path / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return make


def commands(*argvs: tuple[str, ...]) -> list[UndoEntry]:
    return [UndoEntry(number, "command", argv) for number, argv in enumerate(argvs, start=1)]


def test_hanging_program_is_waited_for_once(program: Callable[[str, str], str], tmp_path: Path) -> None:
    hangs, works = program("hangs", "sleep 60"), program("works", f'echo "$1" >>{tmp_path}/log')
    entries = commands((hangs, "1"), (works, "2"), (hangs, "3"), (works, "4"), (hangs, "5"))
    started = time.monotonic()

    removed, failures = undo_all(entries, SHORT)

    assert time.monotonic() - started < 8
    assert (tmp_path / "log").read_text().split() == ["4", "2"]
    assert removed == [f"undone by {works} 4", f"undone by {works} 2"]
    assert [entry.number for entry, _ in failures] == [1, 3, 5]
    assert {why for _, why in failures} == {f"cannot run '{hangs} 5': no end after 1 s"}


def test_program_of_a_silent_daemon_is_not_started(
    program: Callable[[str, str], str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = program("client", f"touch {tmp_path}/started")
    monkeypatch.setitem(hanging._silent, ("local", client), SilentDaemon("cannot use 'client'"))

    removed, failures = undo_all(commands((client, "1"), (client, "2")), SHORT)

    assert removed == []
    assert [why for _, why in failures] == ["cannot use 'client'", "cannot use 'client'"]
    assert not (tmp_path / "started").exists()


def test_slow_program_is_left_when_its_time_is_over(program: Callable[[str, str], str]) -> None:
    slow = program("slow", "sleep 0.4")

    removed, failures = undo_all(commands(*[(slow, str(number)) for number in range(10)]), Patience(2.0, 1.0))

    assert 1 <= len(removed) <= 3
    assert failures[0][1] == f"cannot wait longer for '{slow}'" or "no end after" in failures[0][1]
    assert len(removed) + len(failures) == 10


def test_programs_run_side_by_side(program: Callable[[str, str], str]) -> None:
    names = [program(name, "sleep 1") for name in ("a", "b", "c", "d")]
    started = time.monotonic()

    removed, failures = undo_all(commands(*[(name,) for name in names]))

    assert (len(removed), failures) == (4, [])
    assert time.monotonic() - started < 3.5


def test_helpers_of_a_hanging_program_end_with_it(program: Callable[[str, str], str], tmp_path: Path) -> None:
    hangs = program("hangs", f"sleep 600 & echo $! >{tmp_path}/pid; wait")

    undo_all(commands((hangs,)), SHORT)

    helper = Path(f"/proc/{(tmp_path / 'pid').read_text().strip()}/stat")
    assert not helper.exists() or helper.read_text().rpartition(")")[2].split()[0] in "ZX"


def test_files_go_after_the_commands_that_need_them(program: Callable[[str, str], str], tmp_path: Path) -> None:
    folder = tmp_path / "run" / "daemon"
    (tmp_path / "run").mkdir(mode=0o711)
    folder.mkdir()
    needs = program("needs", f"test -d {folder}")
    entries = [*commands((needs,)), UndoEntry(2, "path", (str(folder),))]

    removed, failures = undo_all(entries, SHORT)

    assert (removed, failures) == ([f"removed path {folder}", f"undone by {needs}"], [])
