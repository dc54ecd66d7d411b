"""The box as it is built from this host's mirror: what is in it, and what is not."""

from __future__ import annotations

import json
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from live_box import REASON, UNAVAILABLE

from provisioner.machines.box.build import Box, build_box, find_box, package_box
from provisioner.machines.box.keys import find_keys

pytestmark = pytest.mark.skipif(UNAVAILABLE, reason=REASON)


@pytest.fixture(scope="module")
def box() -> Box:
    return build_box()


def show(box: Box, tmp_path: Path, command: str) -> str:
    """Ask debugfs(8) about the box's file system; it needs no mount."""
    raw = tmp_path / "disk.raw"
    if not raw.exists():
        subprocess.run(["qemu-img", "convert", "-O", "raw", str(box.disk), str(raw)], timeout=900, check=True)
    done = subprocess.run(
        ["/sbin/debugfs", "-R", command, str(raw)], capture_output=True, text=True, timeout=300, check=True
    )
    return done.stdout


def test_a_second_build_returns_the_first_box(box: Box) -> None:
    assert build_box() == find_box() == box


def test_only_the_hypervisors_group_can_read_the_disk(box: Box) -> None:
    assert box.disk.stat().st_mode & 0o777 == 0o640
    assert box.private_key.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="only root and the hypervisor read the disk: run as root")
def test_the_box_has_its_keys_and_no_machine_id(box: Box, tmp_path: Path) -> None:
    keys = find_keys(box.private_key.parent)

    assert keys is not None
    assert keys.login_public == show(box, tmp_path, "cat /root/.ssh/authorized_keys").strip()
    assert keys.host_public == show(box, tmp_path, "cat /etc/ssh/ssh_host_ed25519_key.pub").strip()
    assert "Size: 0" in show(box, tmp_path, "stat /etc/machine-id")
    assert "ssh_host_rsa_key" not in show(box, tmp_path, "ls /etc/ssh")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root and the hypervisor read the disk: run as root")
def test_the_file_system_is_clean_and_has_the_kernels_modules(box: Box, tmp_path: Path) -> None:
    modules = show(box, tmp_path, "ls -p /usr/lib/modules")
    version = next(word for word in modules.split("/") if "cloud" in word)

    subprocess.run(["/sbin/e2fsck", "-fn", str(tmp_path / "disk.raw")], timeout=900, check=True, capture_output=True)
    assert version.encode() in box.kernel.read_bytes()[:0x8000]
    assert "overlay.ko" in show(box, tmp_path, f"ls /usr/lib/modules/{version}/kernel/fs/overlayfs")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root and the hypervisor read the disk: run as root")
def test_the_packed_box_is_small(box: Box) -> None:
    packed = package_box(box)

    with tarfile.open(packed) as tar:
        metadata = tar.extractfile("metadata.json")
        assert metadata is not None
        assert json.load(metadata) == {"provider": "libvirt", "format": "qcow2", "virtual_size": 6}
        assert sorted(tar.getnames()) == ["Vagrantfile", "box.img", "metadata.json"]
    assert packed.stat().st_size < 300 << 20
    assert packed == package_box(box)
