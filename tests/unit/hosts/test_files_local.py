"""Files of a run on this machine, where other runs make the same folders at the same time."""

from __future__ import annotations

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
    mkdir = Path.mkdir

    def beaten(self: Path, mode: int = 0o777, parents: bool = False, exist_ok: bool = False) -> None:
        mkdir(self, mode, parents, exist_ok)
        raise FileExistsError(17, "File exists")

    monkeypatch.setattr(Path, "mkdir", beaten)
    files.make_folder(path, 0o711)

    assert path.is_dir()


def test_a_file_in_the_way_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(IsolationError, match=r"cannot make '.*/file/docker': Not a directory"):
        LocalFiles().make_folder(tmp_path / "file" / "docker", 0o711)
    with pytest.raises(IsolationError, match=r"cannot make '.*/file': File exists"):
        LocalFiles().make_folder(tmp_path / "file", 0o711)
