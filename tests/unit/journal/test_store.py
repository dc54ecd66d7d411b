"""provisioner.journal.store: what is no journal is moved away, and a record is written whole or not at all."""

from __future__ import annotations

import errno
import os
import resource
import socket
from collections.abc import Callable
from pathlib import Path

import pytest
from fakes_journal import OWNER, echo, lines, undone

from provisioner.errors import IsolationError
from provisioner.journal.prune import dead_runs, left_undone, prune
from provisioner.journal.run import Run
from provisioner.journal.store import Store


def make_folder(path: Path) -> None:
    path.mkdir()
    (path / "file").touch()


def make_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def make_link(path: Path) -> None:
    path.with_name("target").write_bytes(lines(OWNER, echo(9, path.parent / "never")))
    path.symlink_to("target")


def make_second_name(path: Path) -> None:
    make_link(path)
    path.unlink()
    os.link(path.with_name("target"), path)


def make_writable(path: Path) -> None:
    path.write_bytes(lines(OWNER, echo(9, path.parent / "never")))
    path.chmod(0o620)


def make_huge(path: Path) -> None:
    path.write_bytes(lines(OWNER))
    os.truncate(path, 1 << 40)


THINGS: dict[str, Callable[[Path], object]] = {
    "not a regular file (folder)": make_folder,
    "not a regular file (FIFO)": os.mkfifo,
    "not a regular file (socket)": make_socket,
    "not a regular file (link)": make_link,
    "it has a second name": make_second_name,
    "other users may write it": make_writable,
    "it is too large": make_huge,
}


@pytest.mark.parametrize(("why", "make"), THINGS.items(), ids=THINGS)
def test_what_is_no_journal_is_moved_away_and_never_read(
    runs: Path, tmp_path: Path, why: str, make: Callable[[Path], object]
) -> None:
    make(runs / "0a.jsonl")
    (runs / "0b.jsonl").write_bytes(lines(OWNER, echo(1, tmp_path / "log")))

    said = prune()

    assert f"set aside '{runs}/0a.jsonl' as 'damaged/0a.jsonl': " in said[0]
    assert why.partition(" (")[0] in said[0]
    assert undone(tmp_path / "log") == ["1"]
    assert not (runs / "never").exists()
    assert (runs / "damaged" / "0a.jsonl").lstat()
    assert prune() == []


@pytest.mark.skipif(os.geteuid() != 0, reason="makes a device and another user's file: run as root")
@pytest.mark.parametrize("kind", ["device", "owner"])
def test_root_reads_no_device_and_no_file_of_another_user(runs: Path, kind: str) -> None:
    path = runs / "0a.jsonl"
    if kind == "device":
        os.mknod(path, 0o020600, os.makedev(1, 5))  # /dev/zero
    else:
        make_writable(path)
        path.chmod(0o600)
        os.chown(path, 65534, 65534)

    assert prune()[0].startswith(f"set aside '{path}' as ")
    assert not (runs / "never").exists()


def test_second_journal_of_the_same_name_is_kept_too(runs: Path) -> None:
    for _ in range(2):
        (runs / "0a.jsonl").write_bytes(b"x\n")
        prune()

    assert len(list((runs / "damaged").iterdir())) == 2


@pytest.mark.parametrize("make", [Path.touch, lambda path: path.symlink_to("/"), os.mkfifo])
def test_run_starts_if_the_folder_of_the_journals_is_none(
    runs: Path, capfd: pytest.CaptureFixture[str], make: Callable[[Path], object]
) -> None:
    runs.rmdir()
    make(runs)

    with Run.start() as run:
        assert (runs / f"{run.id}.jsonl").exists()

    assert "set aside" in capfd.readouterr().err
    assert runs.is_dir()


def test_folder_that_others_may_write_is_closed_to_them(runs: Path) -> None:
    runs.chmod(0o777)

    assert prune() == [f"set the mode of '{runs}' to 0700: other users could write it"]
    assert runs.stat().st_mode & 0o777 == 0o700


def test_readers_do_not_change_the_folder(runs: Path) -> None:
    runs.chmod(0o777)
    make_folder(runs / "0a.jsonl")

    assert (dead_runs(), left_undone(True)) == ([], [])
    assert runs.stat().st_mode & 0o777 == 0o777
    assert (runs / "0a.jsonl").is_dir()


def test_full_disk_is_one_line_and_leaves_no_half_record(runs: Path) -> None:
    run = Run.start()
    file = runs / f"{run.id}.jsonl"
    before = file.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 20, hard))  # a short write, then EFBIG
    try:
        with pytest.raises(IsolationError, match=f"cannot write the journal '{file}': File too large"):
            run.made("command", ["true", "x" * 1000])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert file.read_bytes() == before
    assert run.made("command", ["true"]).number == 1
    run.close()
    assert list(runs.iterdir()) == []


def test_start_on_a_full_disk_leaves_no_file(runs: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))
    try:
        with pytest.raises(IsolationError, match="cannot write the journal"):
            Run.start()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert list(runs.iterdir()) == []


def test_journal_that_cannot_be_opened_now_stays_in_its_place(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be valid: for a moment a process or a host has too many open files."""
    (runs / "0a.jsonl").write_bytes(lines(OWNER, echo(1, tmp_path / "log")))

    def refuse(store: Store, name: str) -> int:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    with monkeypatch.context() as patch:
        patch.setattr(Store, "open_journal", refuse)
        assert prune() == [f"cannot read '{runs}/0a.jsonl': Too many open files"]

    prune()
    assert undone(tmp_path / "log") == ["1"]


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a folder to another user: run as root")
def test_folder_of_another_user_is_set_aside_and_kept(runs: Path) -> None:
    make_folder(runs / "0a.jsonl")
    os.chown(runs, 65534, 65534)

    (line,) = prune()

    (other,) = (path for path in runs.parent.iterdir() if path != runs)
    assert line == f"set aside '{runs}' as '{other.name}': it belongs to uid 65534"
    assert (other / "0a.jsonl" / "file").exists()
    assert list(runs.iterdir()) == []


def test_journal_that_cannot_be_set_aside_is_one_line(runs: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (runs / "damaged").symlink_to(outside)
    os.mkfifo(runs / "0a.jsonl")

    assert prune() == [f"cannot set aside '{runs}/0a.jsonl': Not a directory"]
    assert list(outside.iterdir()) == []
