"""provisioner.images.own_archive: a user's archive is copied whole, under a name of the run."""

from __future__ import annotations

import gzip
import io
import json
import stat
import tarfile
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import IsolationError
from provisioner.images.image import Item, archive_of
from provisioner.images.own_archive import rename_archive

REF = "localhost/isolation-archive-00:1"
ITEMS = [Item("bin", stat.S_IFDIR | 0o755), Item("bin/app", stat.S_IFREG | 0o755, b"app")]


def tar_of(files: dict[str, object]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, value in files.items():
            data = value if isinstance(value, bytes) else json.dumps(value).encode()
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def read(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        held = {one.name: tar.extractfile(one) for one in tar if one.isfile()}
        return {name: file.read() for name, file in held.items() if file}


def renamed(tmp_path: Path, data: bytes) -> dict[str, bytes]:
    (tmp_path / "own.tar").write_bytes(data)
    rename_archive(tmp_path / "own.tar", tmp_path / "out.tar", REF)
    return read(tmp_path / "out.tar")


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_a_docker_archive_keeps_all_but_its_name(tmp_path: Path, pack: Any) -> None:
    data = archive_of(ITEMS, "me/app:1.4", {"User": "app"})
    (tmp_path / "before.tar").write_bytes(data)
    before, after = read(tmp_path / "before.tar"), renamed(tmp_path, pack(data))

    (was,), (now,) = json.loads(before.pop("manifest.json")), json.loads(after.pop("manifest.json"))
    assert after == before
    assert now == {**was, "RepoTags": [REF]}


def test_an_oci_archive_is_named_by_its_index(tmp_path: Path) -> None:
    index = {"schemaVersion": 2, "manifests": [{"digest": "sha256:00", "annotations": {"a": "b"}}]}
    after = renamed(tmp_path, tar_of({"oci-layout": {"imageLayoutVersion": "1.0.0"}, "index.json": index}))

    (image,) = json.loads(after["index.json"])["manifests"]
    assert image["annotations"] == {
        "a": "b",
        "org.opencontainers.image.ref.name": REF,
        "io.containerd.image.name": REF,
    }


def test_the_old_tags_stay_behind(tmp_path: Path) -> None:
    manifest = [{"Config": "a.json", "Layers": [], "RepoTags": ["me/app:1"]}]
    after = renamed(tmp_path, tar_of({"manifest.json": manifest, "repositories": {"me/app": {"1": "00"}}}))

    assert set(after) == {"manifest.json"}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"no tar", "it is no archive of one image"),
        (tar_of({"a": b"b"}), "it holds no manifest.json and no index.json"),
        (tar_of({"manifest.json": [{}, {}]}), "it is no archive of one image"),
        (tar_of({"manifest.json": {"a": 1}}), "it is no archive of one image"),
        (tar_of({"manifest.json": [7]}), "it is no archive of one image"),
        (tar_of({"manifest.json": b"{"}), "it is no archive of one image"),
        (tar_of({"index.json": {}}), "it is no archive of one image"),
        (archive_of(ITEMS, "a:1")[:2000], "it holds no manifest.json and no index.json"),
    ],
)
def test_what_is_no_image_is_one_line(tmp_path: Path, data: bytes, why: str) -> None:
    with pytest.raises(IsolationError) as caught:
        renamed(tmp_path, data)

    assert why in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out.tar").exists()
