"""provisioner.images.kernel: the user's file, the cache, or the image of a Debian package."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.images import kernel

BZIMAGE = bytes(0x202) + b"HdrS" + bytes(100)
ARM = bytes(56) + b"ARM\x64" + bytes(0x300)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    folder.mkdir()
    monkeypatch.setattr(kernel, "cache_dir", lambda: folder)
    monkeypatch.setattr(kernel.platform, "machine", lambda: "x86_64")
    return folder


def put(folder: Path, version: str) -> Path:
    path = folder / f"kernel-{version}" / "vmlinuz"
    path.parent.mkdir()
    path.write_bytes(BZIMAGE)
    return path


def test_the_users_kernel_is_used(cache: Path) -> None:
    mine = put(cache, "mine")

    assert kernel.guest_kernel(mine) == mine


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), (b"MZ", "neither a bzImage"), (ARM, "built for aarch64, this machine is x86_64")],
)
def test_an_unusable_kernel_is_refused_with_the_reason(cache: Path, content: bytes | None, why: str) -> None:
    path = cache / "file"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(IsolationError, match=why) as error:
        kernel.guest_kernel(path)
    assert error.value.hint == "name one: --isolation-kernel=FILE"


def test_the_newest_cached_kernel_is_found_without_apt(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel, "fetch_packages", lambda names, into: pytest.fail("apt was asked"))
    for version in ("6.1.0-9-cloud-amd64", "6.1.0-56-cloud-amd64", "7.0.0-1-cloud-arm64"):
        put(cache, version)

    assert kernel.guest_kernel().parent.name == "kernel-6.1.0-56-cloud-amd64"


def test_an_unknown_machine_needs_a_file(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel.platform, "machine", lambda: "s390x")

    with pytest.raises(IsolationError, match="none is known for s390x; name one"):
        kernel.guest_kernel()


def test_without_apt_a_file_is_needed(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda tool: None)

    with pytest.raises(IsolationError, match="apt-get is not installed; name one"):
        kernel.guest_kernel()


def build_deb(folder: Path, package: str, depends: str, files: dict[str, bytes]) -> None:
    tree = folder / f"tree-{package}"
    (tree / "DEBIAN").mkdir(parents=True)
    control = f"Package: {package}\nVersion: 1\nArchitecture: all\nMaintainer: a <a@example.org>\nDescription: a\n"
    (tree / "DEBIAN" / "control").write_text(control + (f"Depends: {depends}\n" if depends else ""))
    for name, content in files.items():
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(content)
    (tree / "DEBIAN").chmod(0o755)
    argv = ["dpkg-deb", "--root-owner-group", "-b", str(tree), str(folder / f"{package}_1_all.deb")]
    subprocess.run(argv, check=True, capture_output=True, timeout=300)


@pytest.fixture
def mirror(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    if not (shutil.which("dpkg-deb") and shutil.which("apt-get")):
        pytest.skip("packages are built with dpkg-deb, which is not here")
    folder = tmp_path / "mirror"
    folder.mkdir()
    build_deb(folder, "linux-image-cloud-amd64", "linux-image-6.1.0-7-cloud-amd64 (= 1) | other", {})

    def fetch(names: list[str], into: Path) -> list[Path]:
        return [Path(shutil.copy(folder / f"{name}_1_all.deb", into)) for name in names]

    monkeypatch.setattr(kernel, "fetch_packages", fetch)
    return folder


def test_only_the_image_is_kept_of_a_package(cache: Path, mirror: Path) -> None:
    files = {"boot/System.map-6": b"map", "boot/vmlinuz-6.1.0-7-cloud-amd64": BZIMAGE, "lib/modules/a.ko": b"ko" * 9999}
    build_deb(mirror, "linux-image-6.1.0-7-cloud-amd64", "", files)
    before = os.umask(0o077)
    try:
        found = kernel.guest_kernel()
    finally:
        os.umask(before)

    assert found == cache / "kernel-6.1.0-7-cloud-amd64" / "vmlinuz"
    assert found.read_bytes() == BZIMAGE
    assert found.stat().st_mode & 0o777 == 0o644
    assert sorted(path.name for path in cache.iterdir() if path.suffix != ".lock") == [found.parent.name]


def test_a_package_without_an_image_leaves_nothing(cache: Path, mirror: Path) -> None:
    build_deb(mirror, "linux-image-6.1.0-7-cloud-amd64", "", {"boot/config": b""})

    with pytest.raises(IsolationError, match="no kernel image in it"):
        kernel.guest_kernel()
    assert [path for path in cache.iterdir() if path.suffix != ".lock"] == []
