"""provisioner.files.atomic: files and folders are replaced whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from provisioner.files.atomic import replace_folder, write_whole, writing_whole


def test_write_replaces_the_content_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    write_whole(path, "naïve")

    assert path.read_bytes() == "naïve".encode()
    assert list(tmp_path.iterdir()) == [path]


def test_mode_is_set_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        write_whole(tmp_path / "given", b"", 0o644)
        write_whole(tmp_path / "default", b"")
    finally:
        os.umask(before)

    assert stat.S_IMODE((tmp_path / "given").stat().st_mode) == 0o644
    assert stat.S_IMODE((tmp_path / "default").stat().st_mode) == 0o600


def test_link_is_replaced_and_its_target_is_unchanged(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("target")
    link.symlink_to(target)

    write_whole(link, "new")

    assert (target.read_text(), link.read_text(), link.is_symlink()) == ("target", "new", False)


def test_error_keeps_the_old_content_and_leaves_no_other_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")

    with pytest.raises(RuntimeError), writing_whole(path) as file:
        file.write(b"half")
        raise RuntimeError

    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("there", [False, True])
def test_folder_takes_the_place_of_another(tmp_path: Path, there: bool) -> None:
    fresh, path = tmp_path / "fresh", tmp_path / "folder"
    fresh.mkdir()
    (fresh / "new").touch()
    if there:
        path.mkdir()
        (path / "old").touch()

    replace_folder(fresh, path)

    assert list(tmp_path.iterdir()) == [path]
    assert [file.name for file in path.iterdir()] == ["new"]
