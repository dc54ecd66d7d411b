"""When a machine's disk can be booted and when it is created again, with the real qemu-img."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.connection.local import Completed, LocalConnection
from provisioner.errors import IsolationError
from provisioner.machines.box.build import Box
from provisioner.machines.qemu.disk import Disk, identify
from provisioner.machines.qemu.state import QemuState, load_state

pytestmark = pytest.mark.skipif(
    shutil.which("qemu-img") is None, reason="apt-get install --no-install-recommends qemu-utils"
)


@pytest.fixture
def box(tmp_path: Path) -> Box:
    disk = tmp_path / "base.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", str(disk), "16M"], check=True, timeout=300)
    parts = (tmp_path, disk, tmp_path / "kernel", tmp_path / "initrd", "quiet", "root", tmp_path / "key", "ssh-ed25519")
    return Box("debian12", "abc", *parts)


@pytest.fixture
def disk(tmp_path: Path, box: Box) -> Disk:
    """A disk that was booted once, with data and three snapshots, two of one name."""
    folder = tmp_path / "machine"
    folder.mkdir()
    disk = Disk(folder)
    disk.recreate(box)
    filled = tmp_path / "filled"
    filled.write_bytes(os.urandom(4 << 20))
    write = ["qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", str(filled), str(disk.path)]
    subprocess.run(write, check=True, timeout=300)
    for tag in ("mine+11111111", "mine+22222222", "other+11111111"):
        subprocess.run(["qemu-img", "snapshot", "-q", "-c", tag, str(disk.path)], check=True, timeout=300)
    state = disk.state
    assert state is not None
    disk.save_state(state.model_copy(update={"whole": True, "port": 2222}))
    return disk


def truncate(disk: Disk, box: Box) -> None:
    os.truncate(disk.path, disk.path.stat().st_size // 2)


def overwrite(disk: Disk, box: Box) -> None:
    disk.path.write_bytes(b"\0" * disk.path.stat().st_size)


def name_another_backing_file(disk: Disk, box: Box) -> None:
    other = box.directory / "other.qcow2"
    shutil.copy(box.disk, other)
    rebase = ["qemu-img", "rebase", "-u", "-F", "qcow2", "-b", str(other), str(disk.path)]
    subprocess.run(rebase, check=True, timeout=300)


def name_an_external_data_file(disk: Disk, box: Box) -> None:
    with disk.path.open("r+b") as file:
        file.seek(79)  # the lowest byte of the incompatible features
        file.write(b"\4")


def corrupt_the_state(disk: Disk, box: Box) -> None:
    (disk.folder.parent / "machine.json").write_bytes(b"\xff\x00garbage")


def rebuild_the_box(disk: Disk, box: Box) -> None:
    os.utime(box.disk, ns=(1, 1))


def interrupt_the_first_start(disk: Disk, box: Box) -> None:
    state = disk.state
    assert state is not None
    disk.save_state(state.model_copy(update={"whole": False}))


def test_a_disk_that_was_booted_once_can_be_booted(disk: Disk, box: Box) -> None:
    assert disk.why_recreate(box) is None
    assert disk.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (truncate, "its disk is damaged"),
        (overwrite, "its disk is damaged"),
        (name_another_backing_file, "it names other files than its box's disk"),
        (name_an_external_data_file, "it names other files than its box's disk"),
        (corrupt_the_state, "its machine.json is missing or invalid"),
        (rebuild_the_box, "its box has changed"),
        (interrupt_the_first_start, "its first start was interrupted"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_disk_that_cannot_be_booted_is_recreated(
    disk: Disk, box: Box, harm: Callable[[Disk, Box], None], why: str
) -> None:
    harm(disk, box)

    assert disk.why_recreate(box) == why
    disk.recreate(box)
    assert (disk.is_intact(), disk.tags()) == (True, [])


def test_a_disk_that_links_to_a_file_is_deleted_and_the_file_is_unchanged(disk: Disk, box: Box) -> None:
    shutil.copy(box.disk, box.directory / "precious")
    for link in (disk.path.symlink_to, disk.path.hardlink_to):
        disk.path.unlink(missing_ok=True)
        link(box.directory / "precious")

        assert disk.why_recreate(box) == ""
        assert not os.path.lexists(disk.path)
    assert (box.directory / "precious").read_bytes() == box.disk.read_bytes()


@pytest.mark.skipif(os.geteuid() != 0, reason="drops privileges: run as root")
def test_qemu_img_runs_as_the_disks_owner(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[list[str]] = []

    def record(self: LocalConnection, argv: list[str], timeout: float) -> Completed:
        ran.append(argv)
        return Completed(tuple(argv), 0, b"{}", b"")

    os.chown(disk.path, 65534, 65534)
    monkeypatch.setattr(LocalConnection, "run", record)
    disk.is_intact()
    disk.tags()
    disk.delete_tag("mine+11111111")

    assert [argv[:3] for argv in ran] == [["setpriv", "--reuid=65534", "--regid=65534"]] * 3


def test_another_box_needs_another_disk(disk: Disk, box: Box) -> None:
    assert disk.why_recreate(replace(box, hash="def")) == "its box has changed"
    assert not disk.fits(None)


def test_snapshots_of_one_name_differ_by_hardware(disk: Disk) -> None:
    assert disk.tags() == ["mine+11111111", "mine+22222222", "other+11111111"]
    assert disk.tags("mine") == ["mine+11111111", "mine+22222222"]


def test_only_the_named_snapshot_is_deleted(disk: Disk) -> None:
    disk.delete_tag("mine+22222222")

    assert disk.tags() == ["mine+11111111", "other+11111111"]
    with pytest.raises(IsolationError, match="cannot delete snapshot 'mine"):
        disk.delete_tag("mine+22222222")


def test_a_damaged_disk_lists_no_snapshots(disk: Disk) -> None:
    os.truncate(disk.path, 10)

    assert disk.tags() == []


def test_a_missing_disk_has_no_state_and_no_snapshots(tmp_path: Path, box: Box) -> None:
    disk = Disk(tmp_path / "nowhere")

    assert (disk.why_recreate(box), disk.tags(), disk.state) == ("", [], None)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"box": "a", "base": "b", "port": 99999}', '{"box": 1, "base": "b"}']
)
def test_an_invalid_state_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "machine.json").write_text(text)

    assert load_state(tmp_path / "machine.json") is None


def test_a_saved_state_is_loaded_unchanged(disk: Disk, box: Box) -> None:
    assert disk.state == QemuState(box="abc", base=identify(box.disk), whole=True, port=2222)
