"""What the environment does not allow is one line with its cause and a hint."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.faults.explain import explain, explained, hint_in
from provisioner.files.atomic import write_whole
from provisioner.files.folder import NotWritten


def system_error(number: int, path: str | None = None) -> OSError:
    return OSError(number, os.strerror(number), path)


@pytest.mark.parametrize(
    ("error", "cause", "hint"),
    [
        (
            system_error(errno.ENOSPC, "/dev/shm/x"),
            "cannot write '/dev/shm/x': No space left on device (",
            "free space",
        ),
        (system_error(errno.EDQUOT, "/nosuch/x"), "cannot write '/nosuch/x': Disk quota exceeded", "free space"),
        (system_error(errno.EROFS, "/x"), "cannot use '/x': Read-only file system", "make it writable"),
        (system_error(errno.EACCES, "/x"), "cannot use '/x': Permission denied", "give this user access"),
        (system_error(errno.ENAMETOOLONG, "/a/" + "r" * 300), "a name of 300 characters is too long", "a shorter name"),
        (system_error(errno.EMFILE, "/x"), "cannot use '/x': Too many open files (the limit is ", "ulimit -n"),
        (system_error(errno.EMFILE), "cannot go on: Too many open files", "ulimit -n"),
        (system_error(errno.EFBIG, "/x"), "cannot use '/x': File too large", "ulimit -f"),
        (system_error(errno.ENOMEM), "cannot go on: out of memory", "ulimit -v"),
        (system_error(errno.EAGAIN), "cannot start a process: too many processes", "ulimit -u"),
        (system_error(errno.ENOTDIR, "/x"), "cannot use '/x': Not a directory", "a part of this one is a file"),
        (MemoryError(), "cannot go on: out of memory", "ulimit -v"),
        (RuntimeError("can't start new thread"), "cannot start a thread: too little memory", "ulimit -u"),
        (RuntimeError("Could not determine home directory."), "cannot find the home of this user", "set HOME"),
        (UnicodeEncodeError("ascii", "a✓", 1, 2, "no"), r"cannot write '\u2713': the encoding 'ascii'", "LC_ALL"),
        (subprocess.TimeoutExpired(["runc", "run"], 7), "cannot run 'runc': no end after 7 s", "TIMEOUT_SCALE"),
        (NotWritten(system_error(errno.ENOSPC), "/dev/shm/x", 4096), "(4096 bytes are needed, ", "free space"),
    ],
)
def test_an_error_of_the_environment_has_a_cause_and_a_hint(error: Exception, cause: str, hint: str) -> None:
    known = explain(error)

    assert known is not None
    assert cause in known.what
    assert hint in known.hint
    assert "\n" not in str(known)
    assert len(known.what) < 200


@pytest.mark.parametrize("error", [TypeError("no"), KeyError("no"), RuntimeError("no"), ValueError("no")])
def test_a_bug_is_not_explained(error: Exception) -> None:
    assert explain(error) is None
    with pytest.raises(type(error)), explained():
        raise error


def test_the_errors_of_the_probe_have_hints() -> None:
    assert hint_in("cannot fork: EAGAIN").startswith("raise the limit of processes")
    assert hint_in("cannot open /proc/1/ns: ENOENT") == ""


def test_an_isolation_error_stays_the_same() -> None:
    error = IsolationError("cannot do it")

    assert explain(error) is error


def test_an_explained_error_is_an_isolation_error() -> None:
    with pytest.raises(IsolationError, match="cannot go on: out of memory"), explained():
        raise MemoryError


def test_a_removed_working_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()

    with pytest.raises(FileNotFoundError) as raised:
        os.getcwd()

    assert str(explain(raised.value)) == (
        "cannot use the working folder: it was removed; change to a folder that exists: cd"
    )


def test_a_path_of_another_user_shows_no_control_characters() -> None:
    known = explain(system_error(errno.EROFS, "/\x1b[31m\n"))

    assert known is not None
    assert known.what == "cannot use '/?[31m?': Read-only file system"


def test_a_file_over_the_limit_names_the_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("old")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, before[1]))
    try:
        with pytest.raises(OSError) as raised:
            write_whole(path, "x" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    known = explain(raised.value)
    assert known is not None
    assert "results.json': File too large" in known.what
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old"]
