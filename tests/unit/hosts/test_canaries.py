"""Things outside that must not change: made, looked at, gone, also after a run that died."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from provisioner.hosts.canaries import Canaries
from provisioner.journal.run import Run, prune
from provisioner.linux.ipc import delete_mqueue, delete_segment, make_mqueue, make_segment, read_mqueue, read_segment

KEY = 0x1507A7E & 0x7FFFFFFF


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.setattr("provisioner.journal.run.run_dir", lambda: tmp_path)
    with Run.start() as made:
        yield made


def test_nothing_moved_when_nothing_was_touched(run: Run, tmp_path: Path) -> None:
    canaries = Canaries(run, tmp_path)

    assert canaries.moved() == []
    canaries.close()


def test_what_moved_is_named(run: Run, tmp_path: Path) -> None:
    canaries = Canaries(run, tmp_path)

    (tmp_path / "canary").write_text("other")
    delete_mqueue(canaries.name)
    moved = canaries.moved()
    canaries.close()

    assert [line.split(" was ")[0] for line in moved] == [
        f"the canary queue {canaries.name}",
        f"the canary file {tmp_path / 'canary'}",
    ]


def test_they_are_gone_when_closed(run: Run, tmp_path: Path) -> None:
    canaries = Canaries(run, tmp_path)
    key, name = canaries.key, canaries.name
    canaries.close()

    with pytest.raises(FileNotFoundError):
        read_segment(key, 1)
    with pytest.raises(FileNotFoundError):
        read_mqueue(name)
    with socket.socket(socket.AF_UNIX) as other, pytest.raises(ConnectionRefusedError):
        other.connect(f"\0{name}")


def test_prune_takes_them_away_after_a_sigkill(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script = (
        "import os, signal, sys; from pathlib import Path; import provisioner.journal.run as j\n"
        "folder = Path(sys.argv[1]); j.run_dir = lambda: folder\n"
        "from provisioner.hosts.canaries import Canaries\n"
        "made = Canaries(j.Run.start(), folder); print(made.key, made.name, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=False)
    key, name = done.stdout.split()
    assert read_segment(int(key), 16) == "canary isolation"

    monkeypatch.setattr("provisioner.journal.run.run_dir", lambda: tmp_path)
    said = prune()

    assert said == [f"removed mqueue {name}", f"removed shm {key}"]
    with pytest.raises(FileNotFoundError):
        read_segment(int(key), 1)


def test_somebody_elses_segment_stays() -> None:
    key = KEY ^ os.getpid()
    make_segment(key, b"not ours")
    try:
        assert not delete_segment(key)
        assert read_segment(key, 8) == "not ours"
    finally:
        subprocess.run(["ipcrm", "-M", str(key)], check=False)


def test_a_queue_is_deleted_once() -> None:
    name = f"isolation-test-{os.getpid()}"
    make_mqueue(name)

    assert (delete_mqueue(name), delete_mqueue(name)) == (True, False)


def test_more_runs_than_queues_of_the_default_size_have_their_canaries() -> None:
    names = [f"isolation-test-{os.getpid()}-{number}" for number in range(24)]
    try:
        for name in names:
            make_mqueue(name)
        assert {read_mqueue(name) for name in names} == {"0 messages of at most 1 bytes"}
    finally:
        for name in names:
            delete_mqueue(name)
