"""The image with Debian's userland, from a small tar in the place of Debian."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path

import pytest
from cpio_archive import parse_cpio

from provisioner.errors import IsolationError
from provisioner.images import debian
from provisioner.paths import HOME
from provisioner.probe.build import probe_binary


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv(HOME, str(tmp_path / "home"))
    path = tmp_path / "debian.tar"
    with tarfile.open(path, "w") as tar:
        for name in ("./", "./usr/", "./usr/bin/", "./tmp/", "./init/"):
            folder = tarfile.TarInfo(name)
            folder.type, folder.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(folder)
        file = tarfile.TarInfo("./usr/bin/sh")
        file.size, file.mode = 4, 0o755
        tar.addfile(file, io.BytesIO(b"#!sh"))
        for name, kind, target in (
            ("./usr/bin/dash", tarfile.LNKTYPE, "./usr/bin/sh"),
            ("./bin", tarfile.SYMTYPE, "usr/bin"),
        ):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = kind, target
            tar.addfile(link)
    monkeypatch.setattr(debian, "debian_tar", lambda: path)
    return path


def test_the_archive_has_debian_as_its_lower_layer(small: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(debian.debian_archive(probe_binary().path, "x:1"))) as tar:
        manifest = json.loads(tar.extractfile("manifest.json").read())[0]  # type: ignore[union-attr]  # a plain file
        config = json.loads(tar.extractfile(manifest["Config"]).read())  # type: ignore[union-attr]  # a plain file
        layers = [tar.extractfile(name).read() for name in manifest["Layers"]]  # type: ignore[union-attr]  # a plain file

    assert layers[0] == small.read_bytes()
    assert [f"sha256:{hashlib.sha256(layer).hexdigest()}" for layer in layers] == config["rootfs"]["diff_ids"]
    with tarfile.open(fileobj=io.BytesIO(layers[1])) as layer:
        assert layer.getnames() == ["probe"]
    assert len(config["history"]) == 2


def test_the_root_folder_is_made_once_and_again_if_it_is_changed(small: Path) -> None:
    folder = debian.debian_rootfs(probe_binary().path, "p")

    assert (folder / "bin/dash").read_bytes() == b"#!sh"
    assert os.access(folder / "probe", os.X_OK)
    assert (folder / "tmp").stat().st_mode & 0o7777 == 0o1777
    made = folder.stat().st_ino
    assert debian.debian_rootfs(probe_binary().path, "p").stat().st_ino == made
    (folder / "probe").write_bytes(b"")
    assert (debian.debian_rootfs(probe_binary().path, "p") / "probe").read_bytes() == probe_binary().path.read_bytes()


def test_the_initramfs_starts_the_probe_and_has_debians_files(small: Path) -> None:
    entries = parse_cpio(debian.debian_initramfs(probe_binary().path, "p").read_bytes())

    assert entries["init"][2] == probe_binary().path.read_bytes()
    assert entries["usr/bin/dash"][2] == b"#!sh"
    assert entries["bin"][2] == b"usr/bin"
    assert "dev/ttyS0" in entries


def test_without_mmdebstrap_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(HOME, str(tmp_path))
    monkeypatch.setattr(debian, "find_program", lambda name: None)

    with pytest.raises(IsolationError, match="mmdebstrap is not installed; apt-get install"):
        debian.debian_tar()
