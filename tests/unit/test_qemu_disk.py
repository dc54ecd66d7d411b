"""When a machine's disk can be booted again, and when it begins anew; by the real qemu-img."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.machines.box.build import Box
from provisioner.machines.qemu.disk import Disk, identify
from provisioner.machines.qemu.state import Made, load_made

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
    """A disk that was booted once and holds something, with two snapshots of one name."""
    folder = tmp_path / "machine"
    folder.mkdir()
    disk = Disk(folder)
    disk.begin_anew(box)
    filled = tmp_path / "filled"
    filled.write_bytes(os.urandom(4 << 20))
    write = ["qemu-img", "convert", "-n", "-f", "raw", "-O", "qcow2", str(filled), str(disk.path)]
    subprocess.run(write, check=True, timeout=300)
    for tag in ("mine+11111111", "mine+22222222", "other+11111111"):
        subprocess.run(["qemu-img", "snapshot", "-q", "-c", tag, str(disk.path)], check=True, timeout=300)
    made = disk.made
    assert made is not None
    disk.remember(made.model_copy(update={"whole": True, "port": 2222}))
    return disk


def cut_short(disk: Disk, box: Box) -> None:
    os.truncate(disk.path, disk.path.stat().st_size // 2)


def write_over(disk: Disk, box: Box) -> None:
    disk.path.write_bytes(b"\0" * disk.path.stat().st_size)


def lose_the_record(disk: Disk, box: Box) -> None:
    (disk.folder.parent / "machine.json").write_bytes(b"\xff\x00garbage")


def build_its_box_again(disk: Disk, box: Box) -> None:
    os.utime(box.disk, ns=(1, 1))


def cut_off_its_first_start(disk: Disk, box: Box) -> None:
    made = disk.made
    assert made is not None
    disk.remember(made.model_copy(update={"whole": False}))


def test_a_disk_that_was_booted_is_booted_again(disk: Disk, box: Box) -> None:
    assert disk.why_anew(box) is None
    assert disk.path.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("harm", "why"),
    [
        (cut_short, "its disk is damaged"),
        (write_over, "its disk is damaged"),
        (lose_the_record, "nobody knows which box its disk lies on"),
        (build_its_box_again, "its box is another one now"),
        (cut_off_its_first_start, "its first start was cut off"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_disk_that_is_not_what_it_was_begins_anew_and_says_why(
    disk: Disk, box: Box, harm: Callable[[Disk, Box], None], why: str
) -> None:
    harm(disk, box)

    assert disk.why_anew(box) == why
    disk.begin_anew(box)
    assert (disk.is_whole(), disk.tags()) == (True, [])


def test_another_box_is_another_disk(disk: Disk, box: Box) -> None:
    assert disk.why_anew(replace(box, hash="def")) == "its box is another one now"
    assert not disk.fits(None)


def test_snapshots_of_one_name_are_told_apart_by_hardware(disk: Disk) -> None:
    assert disk.tags() == ["mine+11111111", "mine+22222222", "other+11111111"]
    assert disk.tags("mine") == ["mine+11111111", "mine+22222222"]


def test_one_snapshot_is_deleted_and_the_others_stay(disk: Disk) -> None:
    disk.delete_tag("mine+22222222")

    assert disk.tags() == ["mine+11111111", "other+11111111"]
    with pytest.raises(IsolationError, match="cannot delete snapshot 'mine"):
        disk.delete_tag("mine+22222222")


def test_a_damaged_disk_has_no_snapshots_and_no_error(disk: Disk) -> None:
    os.truncate(disk.path, 10)

    assert disk.tags() == []


def test_what_is_not_there_has_nothing(tmp_path: Path, box: Box) -> None:
    disk = Disk(tmp_path / "nowhere")

    assert (disk.why_anew(box), disk.tags(), disk.made) == ("", [], None)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"box": "a", "base": "b", "port": 99999}', '{"box": 1, "base": "b"}']
)
def test_a_record_that_is_garbage_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "machine.json").write_text(text)

    assert load_made(tmp_path / "machine.json") is None


def test_a_record_is_read_as_it_was_written(disk: Disk, box: Box) -> None:
    assert disk.made == Made(box="abc", base=identify(box.disk), whole=True, port=2222)
