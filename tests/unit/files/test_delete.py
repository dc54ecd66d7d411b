"""provisioner.files.delete: whole trees are deleted, and nothing behind a link or a mount."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.files import delete
from provisioner.files.folder import Folder

DEEP = 1100  # more than Python recurses, and more than a process may open files


def test_file_link_and_tree_are_deleted_and_what_links_name_stays(tmp_path: Path) -> None:
    outside, inside = tmp_path / "outside", tmp_path / "inside"
    for folder in (outside, inside / "a/b", inside / "c"):
        folder.mkdir(parents=True)
        (folder / "file").touch()
    (inside / "link").symlink_to(outside)
    (inside / "a/link").symlink_to(outside / "file")

    with Folder.open(tmp_path) as folder:
        assert folder.delete("inside")
        assert not folder.delete("inside")

    assert [path.name for path in tmp_path.rglob("*")] == ["outside", "file"]


def test_deep_tree_is_deleted(tmp_path: Path) -> None:
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(DEEP):
        os.mkdir("d", dir_fd=fd)
        inner = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(fd)

    with Folder.open(tmp_path) as folder:
        assert folder.delete("d")

    assert list(tmp_path.iterdir()) == []


IN_A_MOUNT_NAMESPACE = """
import sys
from pathlib import Path
from provisioner.errors import IsolationError
from provisioner.files.folder import Folder
with Folder.open(Path(sys.argv[1])) as folder:
    try:
        folder.delete("tree")
    except IsolationError as error:
        print(error)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="mounts: run as root")
def test_bind_mount_in_a_tree_is_not_entered(tmp_path: Path) -> None:
    precious, inside = tmp_path / "precious", tmp_path / "tree/inside"
    precious.mkdir()
    (precious / "file").touch()
    inside.mkdir(parents=True)
    script = 'mount --bind "$1" "$2" && exec "$3" -c "$4" "$5"'
    argv = [str(precious), str(inside), sys.executable, IN_A_MOUNT_NAMESPACE, str(tmp_path)]

    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", *argv],
        capture_output=True,
        text=True,
        check=True,
    )

    assert "something is mounted in it" in done.stdout
    assert (precious / "file").exists()


def test_folder_that_is_moved_meanwhile_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "top/tree/inner/deep").mkdir(parents=True)
    (tmp_path / "elsewhere/other").mkdir(parents=True)
    read = delete._delete_files

    def move(folder: int) -> list[str]:
        names = read(folder)
        if not names:
            (tmp_path / "top/tree/inner/deep").rename(tmp_path / "elsewhere/deep")
        return names

    monkeypatch.setattr(delete, "_delete_files", move)
    with Folder.open(tmp_path / "top") as folder, pytest.raises(IsolationError, match="another process moves it"):
        folder.delete("tree")

    assert (tmp_path / "elsewhere/other").is_dir()


def open_files() -> list[str]:
    return os.listdir("/proc/self/fd")


@pytest.mark.parametrize("gone", ["tree", "tree/inner", "tree/inner/deep"])
@pytest.mark.parametrize("at", ["tree", "tree/inner", "tree/inner/deep", "tree/other"])
def test_tree_that_another_process_deletes_too_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gone: str, at: str
) -> None:
    """Two sessions that start at once find the same things of a dead run."""
    for name in ("tree/inner/deep", "tree/other"):
        (tmp_path / name).mkdir(parents=True)
    read, before = delete._delete_files, open_files()

    def delete_too(folder: int) -> list[str]:
        here = os.readlink(f"/proc/self/fd/{folder}")
        names = read(folder)
        if here == str(tmp_path / at):
            shutil.rmtree(tmp_path / gone, ignore_errors=True)
        return names

    monkeypatch.setattr(delete, "_delete_files", delete_too)
    with Folder.open(tmp_path) as folder:
        folder.delete("tree")

    assert list(tmp_path.iterdir()) == []
    assert open_files() == before


def test_folder_that_cannot_be_read_is_an_error_and_no_descriptor_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(folder: int) -> list[str]:
        raise PermissionError(1, "Operation not permitted")

    (tmp_path / "tree").mkdir()
    before = open_files()
    monkeypatch.setattr(delete, "_delete_files", refuse)
    with Folder.open(tmp_path) as folder, pytest.raises(PermissionError):
        folder.delete("tree")

    assert open_files() == before
