"""provisioner.facts.image: what an image contains, read from an archive's layers and, by the probe, from a folder."""

from __future__ import annotations

import io
import json
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest

from provisioner.facts.image import CAPABILITIES, Privileged, parse_image, read_archive
from provisioner.images import image
from provisioner.observed import FactsError
from provisioner.probe.build import probe_binary


@pytest.fixture
def probe() -> Path:
    return probe_binary().path


def link(name: str, to: str) -> image.Item:
    return image.Item(name, stat.S_IFLNK | 0o777, to.encode())


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
def test_upper_layers_cover_lower_ones(layers: list[list[image.Item]], dev: str) -> None:
    seen = read_archive(layered(*layers))

    assert seen.folders["/dev"] == dev


def test_our_archive_has_real_folders(probe: Path) -> None:
    seen = read_archive(image.archive(probe, "a:1"))

    assert seen.folders.root == {"/dev": "dir", "/proc": "dir", "/sys": "dir"}


@pytest.mark.parametrize("data", [b"", b"no tar", bytes(10240)])
def test_invalid_archives_are_an_error(data: bytes) -> None:
    with pytest.raises(FactsError, match="cannot read the image's archive"):
        read_archive(data)


def test_the_probe_reads_a_root_folder(tmp_path: Path) -> None:
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
def test_set_id_files_are_found_in_layers_and_folders(
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
def test_files_hidden_by_an_upper_layer_are_not_found(above: list[image.Item], found: set[str]) -> None:
    assert set(told(read_archive(layered([SET_USER], above)).privileged)) == found


def test_file_capabilities_in_a_layer_are_found() -> None:
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
def test_names_of_root_come_from_the_images_accounts(accounts: bytes, roots: list[str]) -> None:
    below = [folder("etc"), image.Item("etc/passwd", stat.S_IFREG | 0o644, b"old:x:0:0::/:\n")]
    above = [image.Item("etc/passwd", stat.S_IFREG | 0o644, accounts)]

    config = read_archive(layered(below, above)).config

    assert config is not None
    assert (config.user, config.roots) == ("", roots)


def test_the_user_comes_from_the_archives_config(probe: Path) -> None:
    config = read_archive(image.archive(probe, "a:1", image=image.Image(user="1000:0"))).config

    assert config is not None
    assert (config.user, config.roots) == ("1000:0", [])
