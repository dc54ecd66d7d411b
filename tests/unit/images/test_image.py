"""provisioner.images.image: the image of the probe and empty folders, in its three forms."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import stat
import tarfile
from pathlib import Path

import pytest
from cpio_archive import parse_cpio

from provisioner.errors import IsolationError
from provisioner.images import image
from provisioner.images.elf import ELF_MACHINES, probe_architecture


def elf(number: int) -> bytes:
    return b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00" + number.to_bytes(2, "little") + bytes(45) + b"x"


@pytest.fixture
def probe(tmp_path: Path) -> Path:
    numbers = {name: number for number, name in ELF_MACHINES.items()}
    path = tmp_path / "built"
    path.write_bytes(elf(numbers[platform.machine()]))
    return path


@pytest.fixture(autouse=True)
def narrow_umask():
    before = os.umask(0o077)
    yield
    os.umask(before)


def test_archive_holds_the_probe_and_empty_folders(probe: Path) -> None:
    data = image.archive(probe, "isolation-probe:1")

    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        manifest = json.loads(tar.extractfile("manifest.json").read())
        config = json.loads(tar.extractfile(manifest[0]["Config"]).read())
        layer = tar.extractfile(manifest[0]["Layers"][0]).read()
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        entries = {member.name: (member.isdir(), member.mode) for member in tar}
    assert manifest[0]["RepoTags"] == ["isolation-probe:1"]
    assert config["config"] == {"Labels": {"isolation": "probe"}}
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer).hexdigest()]
    assert entries.pop("probe") == (False, 0o755)
    assert entries == {name: (True, mode) for name, mode in image.FOLDERS.items()}


def test_archive_is_reproducible(probe: Path) -> None:
    one = image.archive(probe, "a:1")
    os.utime(probe, (1, 1))

    assert image.archive(probe, "a:1") == one


def test_a_probe_for_another_machine_is_refused(probe: Path) -> None:
    probe.write_bytes(elf(243))

    with pytest.raises(IsolationError, match=f"built for riscv64, not for {platform.machine()}"):
        image.archive(probe, "a:1")


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\necho a script is no probe\n"])
def test_a_file_that_is_not_elf_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)

    with pytest.raises(IsolationError, match="not an ELF"):
        probe_architecture(tmp_path / "file")


def test_rootfs_can_be_searched_by_any_user(probe: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "rootfs"

    image.rootfs(probe, out)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()}
    assert stat.S_IMODE(out.stat().st_mode) == 0o755
    assert modes == {**image.FOLDERS, "probe": 0o755}
    assert [path.name for path in out.parent.iterdir()] == ["rootfs"]


def test_rootfs_stays_until_the_probe_changes(probe: Path, tmp_path: Path) -> None:
    out = tmp_path / "rootfs"
    image.rootfs(probe, out)
    (out / "var").mkdir()
    inode = out.stat().st_ino

    image.rootfs(probe, out)
    assert (out.stat().st_ino, (out / "var").exists()) == (inode, True)

    probe.write_bytes(probe.read_bytes() + b"new")
    image.rootfs(probe, out)
    assert (out / "probe").read_bytes().endswith(b"new")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built", "rootfs"]


def test_initramfs_holds_init_and_the_nodes_of_both_serial_lines(probe: Path, tmp_path: Path) -> None:
    image.initramfs(probe, tmp_path / "initramfs")

    entries = parse_cpio((tmp_path / "initramfs").read_bytes())
    assert entries["init"] == (0o100755, (0, 0), probe.read_bytes())
    assert entries["dev/console"][:2] == (0o020600, (5, 1))
    assert entries["dev/null"][:2] == (0o020666, (1, 3))
    assert (entries["dev/ttyS0"][1], entries["dev/ttyS1"][1]) == ((4, 64), (4, 65))
    assert entries["tmp"][0] == 0o041777
    assert list(entries).index("dev") < list(entries).index("dev/console")


def link(name: str, to: str) -> image.Item:
    return image.Item(name, stat.S_IFLNK | 0o777, to.encode())


def test_additional_entries_replace_those_of_the_same_name(probe: Path, tmp_path: Path) -> None:
    image.rootfs(probe, tmp_path / "rootfs", further=[link("dev", "usr"), image.Item("extra", stat.S_IFDIR | 0o700)])

    assert os.readlink(tmp_path / "rootfs/dev") == "usr"
    assert stat.S_IMODE((tmp_path / "rootfs/extra").stat().st_mode) == 0o700
    assert (tmp_path / "rootfs/proc").is_dir()


def test_images_with_different_contents_have_different_names() -> None:
    asked = [image.Image(), image.Image(shell=True), image.Image(user="1000"), image.Image(items=(link("a", "b"),))]

    assert list(image.IMAGES) == ["probe", "shell", "debian"]
    assert len({one.name for one in asked}) == len(asked)


@pytest.mark.parametrize("name", ["proc", "probe"])
def test_a_root_folder_that_a_container_has_changed_is_made_anew(probe: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "rootfs"
    image.rootfs(probe, out)
    before = out.stat().st_ino
    (out / name).rename(tmp_path / "moved")
    (out / name).symlink_to(tmp_path / "moved")  # the same to a look that follows links
    image.rootfs(probe, out)

    assert out.stat().st_ino != before
    assert not (out / name).is_symlink()
