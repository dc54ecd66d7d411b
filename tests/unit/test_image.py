"""provisioner.images.image: three shapes of the image made of nothing."""

from __future__ import annotations

import hashlib
import io
import json
import os
import platform
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.facts.image import CAPABILITIES, Privileged, parse_image, read_archive
from provisioner.images import image
from provisioner.images.elf import ELF_MACHINES, probe_architecture
from provisioner.observed import FactsError
from provisioner.probe.build import probe_binary


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


def test_archive_holds_the_probe_and_empty_folders(probe: Path, tmp_path: Path) -> None:
    out = tmp_path / "image.tar"

    image.archive(probe, "isolation-probe:1", out)

    with tarfile.open(out) as tar:
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


def test_archive_is_reproducible(probe: Path, tmp_path: Path) -> None:
    image.archive(probe, "a:1", tmp_path / "one")
    os.utime(probe, (1, 1))
    image.archive(probe, "a:1", tmp_path / "two")

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_probe_for_another_machine_is_named_as_such(probe: Path, tmp_path: Path) -> None:
    probe.write_bytes(elf(243))

    with pytest.raises(IsolationError, match=f"built for riscv64, needed is {platform.machine()}"):
        image.archive(probe, "a:1", tmp_path / "out")
    assert list(tmp_path.iterdir()) == [probe]


@pytest.mark.parametrize("content", [b"", b"\x7fELF", b"#!/bin/sh\necho a script is no probe\n"])
def test_what_is_no_elf_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "file").write_bytes(content)

    with pytest.raises(IsolationError, match="not an ELF"):
        probe_architecture(tmp_path / "file")


def test_rootfs_can_be_traversed_by_anybody(probe: Path, tmp_path: Path) -> None:
    out = tmp_path / "deep" / "rootfs"

    image.rootfs(probe, out)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in out.iterdir()}
    assert stat.S_IMODE(out.stat().st_mode) == 0o755
    assert modes == {**image.FOLDERS, "probe": 0o755}
    assert [path.name for path in out.parent.iterdir()] == ["rootfs"]


def test_rootfs_is_left_alone_until_the_probe_changes(probe: Path, tmp_path: Path) -> None:
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


def parse_cpio(data: bytes) -> dict[str, tuple[int, tuple[int, int], bytes]]:
    found, at = {}, 0
    while True:
        assert data[at : at + 6] == b"070701"
        numbers = [int(data[at + 6 + 8 * n : at + 14 + 8 * n], 16) for n in range(13)]
        name = data[at + 110 : at + 110 + numbers[11] - 1].decode()
        start = (at + 110 + numbers[11] + 3) & ~3
        found[name] = (numbers[1], (numbers[9], numbers[10]), data[start : start + numbers[6]])
        at = (start + numbers[6] + 3) & ~3
        if name == "TRAILER!!!":
            assert at == len(data)
            return found


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


def test_further_things_take_the_place_of_those_of_their_name(probe: Path, tmp_path: Path) -> None:
    image.rootfs(probe, tmp_path / "rootfs", further=[link("dev", "usr"), image.Item("extra", stat.S_IFDIR | 0o700)])

    assert os.readlink(tmp_path / "rootfs/dev") == "usr"
    assert stat.S_IMODE((tmp_path / "rootfs/extra").stat().st_mode) == 0o700
    assert (tmp_path / "rootfs/proc").is_dir()


def test_images_are_told_apart_by_what_is_asked_of_them() -> None:
    asked = [image.Image(), image.Image(shell=True), image.Image(user="1000"), image.Image(items=(link("a", "b"),))]

    assert list(image.IMAGES) == ["probe", "shell"]
    assert len({one.name for one in asked}) == len(asked)


def layered(*layers: list[image.Item]) -> bytes:
    """Return a docker-archive of these layers."""
    items = [image.Item(f"{at}/layer.tar", stat.S_IFREG | 0o644, image._tar(layer)) for at, layer in enumerate(layers)]
    manifest = json.dumps([{"Config": "c.json", "Layers": [item.name for item in items]}]).encode()
    config = image.Item("c.json", stat.S_IFREG | 0o644, b"{}")
    return image._tar([*items, config, image.Item("manifest.json", stat.S_IFREG | 0o644, manifest)])


def folder(name: str) -> image.Item:
    return image.Item(name, stat.S_IFDIR | 0o755)


def whiteout(name: str) -> image.Item:
    return image.Item(f".wh.{name}", stat.S_IFREG | 0o644)


@pytest.mark.parametrize(
    ("layers", "dev"),
    [
        ([[folder("dev")]], "dir"),
        ([[folder("./dev")]], "dir"),
        ([[link("dev", "usr")]], "symlink"),
        ([[folder("dev")], [link("dev", "usr")]], "symlink"),
        ([[link("dev", "usr")], [folder("dev")]], "dir"),
        ([[link("dev", "usr")], [whiteout("dev")]], "absent"),
        ([[link("usr/dev", "usr"), link("dev/fd", "usr")]], "absent"),
        ([[image.Item("dev", stat.S_IFREG | 0o644)]], "file"),
    ],
)
def test_an_archive_is_seen_as_its_layers_lie_over_each_other(layers: list[list[image.Item]], dev: str) -> None:
    seen = read_archive(layered(*layers))

    assert seen.folders["/dev"] == dev


def test_the_archive_that_is_made_has_real_folders(probe: Path, tmp_path: Path) -> None:
    image.archive(probe, "a:1", tmp_path / "out")

    seen = read_archive((tmp_path / "out").read_bytes())

    assert seen.folders.root == {"/dev": "dir", "/proc": "dir", "/sys": "dir"}


@pytest.mark.parametrize("data", [b"", b"no tar", bytes(10240)])
def test_what_is_no_archive_is_said_to_be_none(data: bytes) -> None:
    with pytest.raises(FactsError, match="cannot read the image's archive"):
        read_archive(data)


def test_the_probe_sees_what_lies_in_a_root_folder(tmp_path: Path) -> None:
    (tmp_path / "dev").symlink_to("usr")
    (tmp_path / "proc").mkdir()

    done = subprocess.run([probe_binary().path, "image", "n", tmp_path], capture_output=True, timeout=300, check=True)
    seen = parse_image(done.stdout.partition(b"\n")[2], "n")

    assert seen.folders.root == {"/dev": "symlink", "/proc": "dir", "/sys": "absent"}
    assert (seen.privileged.entries, seen.privileged.count, seen.config) == (2, 0, None)
    with pytest.raises(FactsError, match="another nonce"):
        parse_image(done.stdout.partition(b"\n")[2], "m")
    assert subprocess.run([probe_binary().path, "image", "n", "/nowhere"], capture_output=True).returncode == 69


def privileged(name: str, mode: int) -> image.Item:
    return image.Item(name, stat.S_IFREG | mode)


SET_USER = privileged("a/b/c", 0o4755)
EXAMPLES = [
    (SET_USER, (True, False)),
    (privileged("bin/x", 0o2755), (False, True)),
    (privileged("bin/x", 0o6755), (True, True)),
    (privileged("bin/x", 0o4644), (True, False)),
    (privileged("bin/x", 0o2745), None),  # mandatory locking
    (privileged("bin/x", 0o755), None),
    (image.Item("bin/x", stat.S_IFDIR | 0o2755), None),
    (image.Item("bin/x", stat.S_IFDIR | 0o1777), None),
    (link("bin/x", "y"), None),
]


def told(seen: Privileged) -> dict[str, tuple[bool, bool]]:
    assert seen.count == len(seen.files)
    return {file.path: (file.user, file.group) for file in seen.files}


@pytest.mark.parametrize(("item", "expected"), EXAMPLES)
def test_files_that_give_more_are_found_in_a_layer_and_in_a_folder(
    tmp_path: Path, item: image.Item, expected: tuple[bool, bool] | None
) -> None:
    parents = [folder(str(one)) for one in reversed(Path(item.name).parents) if one.name]
    image._fill_rootfs(tmp_path, [*parents, item])
    done = subprocess.run([probe_binary().path, "image", "n", tmp_path], capture_output=True, timeout=300, check=True)

    folder_seen = parse_image(done.stdout.partition(b"\n")[2], "n").privileged
    layer_seen = read_archive(layered([*parents, item])).privileged

    wanted = {f"/{item.name}": expected} if expected else {}
    assert (told(folder_seen), told(layer_seen)) == (wanted, wanted)
    assert folder_seen.entries == layer_seen.entries == len(parents) + 1


@pytest.mark.parametrize(
    ("above", "found"),
    [
        ([], {"/a/b/c"}),
        ([privileged("a/b/c", 0o755)], set()),
        ([image.Item("a/b/.wh.c", stat.S_IFREG)], set()),
        ([image.Item("a/.wh.b", stat.S_IFREG)], set()),
        ([image.Item("a/.wh..wh..opq", stat.S_IFREG)], set()),
        ([image.Item("a/.wh..wh..opq", stat.S_IFREG), privileged("a/d", 0o4755)], {"/a/d"}),
        ([image.Item("a/.wh.bb", stat.S_IFREG)], {"/a/b/c"}),
    ],
)
def test_what_a_layer_takes_away_gives_nothing(above: list[image.Item], found: set[str]) -> None:
    assert set(told(read_archive(layered([SET_USER], above)).privileged)) == found


def test_capabilities_of_a_layers_file_are_found() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("usr/bin/ping")
        info.pax_headers = {CAPABILITIES: "value"}
        tar.addfile(info)

    file = image.Item("0/layer.tar", stat.S_IFREG | 0o644, buffer.getvalue())
    manifest = json.dumps([{"Config": "c.json", "Layers": [file.name]}]).encode()
    files = [("c.json", b"{}"), ("manifest.json", manifest)]
    data = image._tar([file, *(image.Item(name, stat.S_IFREG | 0o644, text) for name, text in files)])
    (seen,) = read_archive(data).privileged.files
    assert (seen.path, seen.user, seen.capabilities) == ("/usr/bin/ping", False, True)


@pytest.mark.parametrize(
    ("accounts", "roots"),
    [
        (b"root:x:0:0:root:/:/bin/sh\ntoor:x:0:0::/:\nnobody:x:65534:65534::/:\nbin:x:10:0::/:\n", ["root", "toor"]),
        (b"odd:x:000:0::/:\n\nshort:x\nempty:x::0::/:\n", ["odd"]),
        (b"", []),
    ],
)
def test_the_names_of_root_are_those_of_the_images_own_accounts(accounts: bytes, roots: list[str]) -> None:
    below = [folder("etc"), image.Item("etc/passwd", stat.S_IFREG | 0o644, b"old:x:0:0::/:\n")]
    above = [image.Item("etc/passwd", stat.S_IFREG | 0o644, accounts)]

    config = read_archive(layered(below, above)).config

    assert config is not None
    assert (config.user, config.roots) == ("", roots)


def test_an_archives_user_is_that_of_its_configuration(probe: Path, tmp_path: Path) -> None:
    image.archive(probe, "a:1", tmp_path / "out", image=image.Image(user="1000:0"))

    config = read_archive((tmp_path / "out").read_bytes()).config

    assert config is not None
    assert (config.user, config.roots) == ("1000:0", [])
