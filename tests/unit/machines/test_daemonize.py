"""A detached process outlives its starter, is found by its identity file, and can be ended by the journal."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.cli.undo import run_verb
from provisioner.errors import IsolationError
from provisioner.journal.prune import prune
from provisioner.journal.run import Run
from provisioner.linux.processes import is_alive
from provisioner.machines.daemonize import end_detached, find_running, load_process, start_detached

STARTER = """
import sys; from pathlib import Path
from provisioner.journal.run import Run; from provisioner.machines.daemonize import start_detached
file = Path(sys.argv[1]); start_detached(["sleep", "600"], file.with_name("log"), file, Run.start())
"""


@pytest.fixture
def sleeper(tmp_path: Path, run: Run) -> Iterator[Path]:
    """The identity file of a detached sleep(1)."""
    file = tmp_path / "sleeper.pid"
    start_detached(["sleep", "600"], tmp_path / "log", file, run)
    yield file
    end_detached(file)


def test_the_process_has_a_session_of_its_own(sleeper: Path) -> None:
    process = find_running(sleeper)

    assert process is not None
    assert os.getsid(process.pid) == process.pid


def test_ending_the_process_removes_its_identity_file(sleeper: Path) -> None:
    process = load_process(sleeper)
    assert process is not None
    end_detached(sleeper)

    assert not is_alive(process)
    assert not sleeper.exists()


def test_a_process_that_ignores_sigterm_is_killed(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "stubborn.pid"
    start_detached(["sh", "-c", "trap '' TERM; while :; do sleep 600; done"], tmp_path / "log", file, run)
    process = load_process(file)
    assert process is not None
    end_detached(file, 0.2)

    assert not is_alive(process)


def test_the_process_outlives_its_starter_until_a_prune(tmp_path: Path, run: Run) -> None:
    file = tmp_path / "orphan.pid"
    subprocess.run([sys.executable, "-c", STARTER, str(file)], timeout=300, check=True)
    try:
        assert find_running(file)
        assert not [line for line in prune() if line.startswith("cannot")]
        assert find_running(file) is None
    finally:
        end_detached(file)


def test_another_process_with_the_same_pid_is_not_taken_for_it(sleeper: Path) -> None:
    text = sleeper.read_text()
    sleeper.write_text(text.replace(text.split()[21], "1", 1))  # another start time

    assert find_running(sleeper) is None
    sleeper.write_text(text)


def test_the_undo_entry_ends_the_process(sleeper: Path) -> None:
    assert run_verb(["end-process", str(sleeper)]) == 0
    assert find_running(sleeper) is None
    assert run_verb(["end-process", str(sleeper)]) == 0


def test_a_process_that_cannot_be_started_leaves_no_entry(tmp_path: Path, run: Run) -> None:
    with pytest.raises(IsolationError, match="cannot start 'true'"):
        start_detached(["true"], tmp_path / "no" / "log", tmp_path / "pid", run)

    assert run.close() == []


@pytest.mark.parametrize("text", ["", "garbage", "1 (x) S\nboot", "\n\n"])
def test_an_invalid_identity_file_names_no_process(tmp_path: Path, text: str) -> None:
    (tmp_path / "pid").write_text(text)

    assert load_process(tmp_path / "pid") is None
    end_detached(tmp_path / "pid")
    assert not (tmp_path / "pid").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user: run as root")
def test_root_believes_no_identity_file_in_a_folder_of_another_user(tmp_path: Path, run: Run) -> None:
    """Who writes the file chooses which process root ends."""
    folder = tmp_path / "theirs"
    folder.mkdir()
    file = folder / "sleeper.pid"
    start_detached(["sleep", "600"], tmp_path / "log", file, run)
    process = load_process(file)
    assert process is not None
    os.chown(folder, 65534, 65534)
    try:
        for use in (load_process, end_detached, find_running):
            with pytest.raises(IsolationError, match="uid 65534 can change"):
                use(file)
        with pytest.raises(IsolationError, match="uid 65534 can change"):
            start_detached(["true"], tmp_path / "log", file, run)
        assert is_alive(process)
    finally:
        os.chown(folder, 0, 0)
        end_detached(file)
