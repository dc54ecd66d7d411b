"""Files of a run on this machine, where other runs make the same folders at the same time."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.hosts.files_local import LocalFiles


def test_a_new_folder_has_its_mode_and_an_old_one_keeps_its_own(tmp_path: Path) -> None:
    path = tmp_path / "state" / "docker"
    LocalFiles().make_folder(path, 0o711)
    made = path.stat().st_mode & 0o777
    path.chmod(0o700)
    LocalFiles().make_folder(path, 0o711)

    assert (made, path.stat().st_mode & 0o777) == (0o711, 0o700)


def test_another_run_may_make_the_folder_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files, path = LocalFiles(), tmp_path / "docker"
    mkdir = os.mkdir

    def beaten(path: str, mode: int, dir_fd: int) -> None:
        mkdir(path, mode, dir_fd=dir_fd)
        raise FileExistsError(17, "File exists")

    monkeypatch.setattr(os, "mkdir", beaten)
    files.make_folder(path, 0o711)

    assert path.is_dir()


def test_what_cannot_be_deleted_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path))
    files = LocalFiles()
    path = files.run / "folder"
    files.make_folder(path, 0o755)
    files.write(path / "file", b"text", 0o640)

    assert (path / "file").stat().st_mode & 0o777 == 0o640
    assert not files.delete(Path("/etc/passwd"))  # not ours
    assert files.delete(path)
    assert files.delete(path)
    assert not path.exists()


def test_a_file_in_the_way_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(IsolationError, match=r"cannot make '.*/file/docker': Not a directory"):
        LocalFiles().make_folder(tmp_path / "file" / "docker", 0o711)
    with pytest.raises(IsolationError, match=r"cannot make '.*/file': Not a directory"):
        LocalFiles().make_folder(tmp_path / "file", 0o711)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_file_that_is_handed_over_is_its_new_owners_alone(tmp_path: Path) -> None:
    (tmp_path / "console").write_text("")
    LocalFiles().hand_over(tmp_path / "console", 65534)
    status = (tmp_path / "console").stat()

    assert (status.st_uid, status.st_mode & 0o777) == (65534, 0o600)
    with pytest.raises(IsolationError, match=r"cannot give '.*/missing' to uid 65534: No such file"):
        LocalFiles().hand_over(tmp_path / "missing", 65534)
