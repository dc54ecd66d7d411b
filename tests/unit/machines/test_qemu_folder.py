"""The folder in which QEMU runs: an older version's is taken back, and QEMU's user gets single files."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.machines.qemu.command import CONSOLE, DISK, SOCKET
from provisioner.machines.qemu.folder import NAME, make_files, open_folder
from provisioner.machines.qemu.qmp import Qmp

NOBODY = 65534
root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files to another user: run as root")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder `vmm` of a machine, with a disk."""
    made = tmp_path / NAME
    made.mkdir()
    (made / DISK).write_bytes(b"disk")
    return made


@root
def test_folder_of_an_older_version_is_taken_back_with_its_files(tmp_path: Path, folder: Path) -> None:
    with socket.socket(socket.AF_UNIX) as monitor:
        here = os.open(folder, os.O_PATH)
        monitor.bind(f"/proc/self/fd/{here}/{SOCKET}")
        os.close(here)
    (folder / CONSOLE).touch()
    for path in (folder, *folder.iterdir()):
        os.chown(path, NOBODY, NOBODY)

    open_folder(tmp_path).close()

    assert (folder.stat().st_uid, stat.S_IMODE(folder.stat().st_mode)) == (0, 0o711)
    assert {path.name for path in folder.iterdir()} == {DISK, CONSOLE, SOCKET}


def test_what_qemu_does_not_make_is_deleted(tmp_path: Path, folder: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "file").touch()
    (folder / "link").symlink_to(outside)
    (folder / CONSOLE).symlink_to(outside / "file")
    (folder / SOCKET).mkdir()
    (folder / "more").hardlink_to(outside / "file")

    open_folder(tmp_path).close()

    assert [path.name for path in folder.iterdir()] == [DISK]
    assert (outside / "file").exists()


@root
def test_no_file_of_another_user_is_taken_over_from_an_older_version(tmp_path: Path, folder: Path) -> None:
    """A hard link to a file of root: its first name may be deleted meanwhile, and then it has one name."""
    os.chown(folder, NOBODY, NOBODY)

    open_folder(tmp_path).close()

    assert list(folder.iterdir()) == []


@root
def test_folder_of_a_third_user_is_refused(tmp_path: Path, folder: Path) -> None:
    os.chown(folder, 1234, 1234)

    with pytest.raises(IsolationError, match="belongs to uid 1234; delete it"):
        open_folder(tmp_path)


def test_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(IsolationError, match=r"cannot open folder '.*/vmm': No such file"):
        open_folder(tmp_path)


@root
def test_disk_and_console_are_handed_over_and_the_socket_is_not(tmp_path: Path, folder: Path) -> None:
    with open_folder(tmp_path) as opened, make_files(opened, NOBODY) as monitor:
        assert monitor.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1

    owners = {path.name: (path.stat().st_uid, stat.S_IMODE(path.stat().st_mode)) for path in folder.iterdir()}
    assert owners == {DISK: (NOBODY, 0o600), CONSOLE: (NOBODY, 0o600), SOCKET: (0, 0o600)}


@pytest.mark.parametrize("length", [1, 120], ids=["short", "longer than sun_path"])
def test_socket_is_reached_whatever_the_length_of_its_path(tmp_path: Path, length: int) -> None:
    machine = tmp_path / ("x" * length)
    (machine / NAME).mkdir(parents=True)

    with open_folder(machine) as opened:
        monitor = make_files(opened, None)
    with monitor, pytest.raises(IsolationError, match="no answer after 0 s"):
        Qmp(machine / NAME / SOCKET, 0.01)
