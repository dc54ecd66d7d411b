"""A box's recipe, its hash, its keys, and the mirrors of its packages."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.images import mmdebstrap
from provisioner.machines.box import build as box_module
from provisioner.machines.box import recipe as recipe_module
from provisioner.machines.box import rootfs
from provisioner.machines.box.build import build_box, find_box
from provisioner.machines.box.initrd import module_order
from provisioner.machines.box.keys import find_keys, make_keys
from provisioner.machines.box.recipe import load_recipe, recipe_hash

# ruff: noqa: E501
# of Debian's 6.1.0-56-cloud-amd64
DEPENDENCIES = """\
kernel/drivers/virtio/virtio.ko: kernel/drivers/virtio/virtio_ring.ko
kernel/drivers/virtio/virtio_ring.ko:
kernel/drivers/virtio/virtio_pci_modern_dev.ko:
kernel/drivers/virtio/virtio_pci_legacy_dev.ko:
kernel/drivers/virtio/virtio_pci.ko: kernel/drivers/virtio/virtio_pci_legacy_dev.ko kernel/drivers/virtio/virtio_pci_modern_dev.ko kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
kernel/net/core/failover.ko:
kernel/drivers/net/net_failover.ko: kernel/net/core/failover.ko
kernel/drivers/net/virtio_net.ko: kernel/drivers/net/net_failover.ko kernel/net/core/failover.ko kernel/drivers/virtio/virtio.ko kernel/drivers/virtio/virtio_ring.ko
"""
TARGETS = """\
Packages|http://mirror.test/debian/|bookworm|main|Debian
Packages|http://mirror.test/debian/|bookworm-updates|main|Debian
Packages|http://mirror.test/debian/|bookworm-backports|main|Debian Backports
Packages|http://mirror.test/debian-security/|bookworm-security|main|Debian
Packages|http://vendor.test/linux/debian|bookworm|main|Vendor
Translations|http://mirror.test/debian/|bookworm|main|Debian
"""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PYTEST_ISOLATION_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_a_module_is_loaded_after_its_dependencies() -> None:
    order = [Path(file).stem for file in module_order(DEPENDENCIES, ["virtio_pci", "virtio_net"])]

    # virtio_ring before virtio: otherwise "Unknown symbol"
    assert order == [
        *("virtio_ring", "virtio", "virtio_pci_modern_dev", "virtio_pci_legacy_dev", "virtio_pci"),
        *("failover", "net_failover", "virtio_net"),
    ]


def test_a_builtin_module_is_not_loaded() -> None:
    assert module_order(DEPENDENCIES, ["ext4"], "kernel/fs/ext4/ext4.ko\n") == []


def test_a_missing_module_is_named() -> None:
    with pytest.raises(IsolationError, match="no module 'virtio_blk'"):
        module_order(DEPENDENCIES, ["virtio_blk"])


def test_only_debians_archives_are_used() -> None:
    assert mmdebstrap.parse_targets(TARGETS, "bookworm") == [
        "deb http://mirror.test/debian/ bookworm main",
        "deb http://mirror.test/debian/ bookworm-updates main",
        "deb http://mirror.test/debian-security/ bookworm-security main",
    ]


def test_a_host_of_another_release_gives_only_addresses() -> None:
    lines = mmdebstrap.parse_targets(TARGETS.replace("bookworm", "trixie"), "bookworm")

    assert lines[0] == "deb http://mirror.test/debian/ bookworm main"


def test_before_the_first_update_archives_are_recognised_by_address() -> None:
    text = "Packages|http://mirror.test/debian|bookworm|main|$(ORIGIN)\nPackages|http://v.test/x|any|main|$(ORIGIN)\n"

    assert mmdebstrap.parse_targets(text, "bookworm") == ["deb http://mirror.test/debian bookworm main"]


def test_without_a_debian_mirror_the_error_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(mmdebstrap.MIRROR, raising=False)
    monkeypatch.setattr(mmdebstrap, "parse_targets", lambda text, suite: [])

    with pytest.raises(IsolationError, match=mmdebstrap.MIRROR):
        mmdebstrap.read_mirrors("bookworm")


def test_the_variables_mirror_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(mmdebstrap.MIRROR, "http://a.test/debian http://a.test/security")

    assert mmdebstrap.read_mirrors("bookworm") == [
        "deb http://a.test/debian bookworm main",
        "deb http://a.test/security bookworm-security main",
    ]


def test_apts_first_error_is_the_reason() -> None:
    text = b"I: chroot\nE: Unable to locate package nosuch\nE: apt-get failed\nI: removing tempdir\n"

    assert mmdebstrap._reason(text) == "E: Unable to locate package nosuch"


def test_baked_packages_change_the_hash_whatever_their_order() -> None:
    plain = recipe_hash("debian12")

    assert plain != recipe_hash("debian12", ["runc"])
    assert recipe_hash("debian12", ["a", "b"]) == recipe_hash("debian12", ["b", "a", "b"])


def test_a_changed_recipe_changes_the_hash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = recipe_hash("debian12")
    shutil.copytree(recipe_module.FOLDER, tmp_path / "boxes")
    with (tmp_path / "boxes/debian12.yaml").open("a") as file:
        file.write("# changed\n")
    monkeypatch.setattr(recipe_module, "FOLDER", tmp_path / "boxes")

    assert recipe_hash("debian12") != before


def test_an_unknown_box_lists_the_known_ones() -> None:
    with pytest.raises(IsolationError, match="known: debian12"):
        load_recipe("debian99")


def test_units_that_checks_look_at_are_not_masked() -> None:
    masked = load_recipe("debian12").masked

    assert not [unit for unit in masked if any(word in unit for word in ("debug", "tracing", "binfmt"))]


@pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="apt-get install openssh-client")
def test_keys_are_made_once_and_are_private(tmp_path: Path) -> None:
    made = make_keys(tmp_path / "keys")

    assert made == make_keys(tmp_path / "keys") == find_keys(tmp_path / "keys")
    assert made.host_public.startswith("ssh-ed25519 AAAA")
    assert [path.stat().st_mode & 0o777 for path in (made.login_private, made.host_private)] == [0o600, 0o600]


@pytest.fixture
def box(home: Path) -> Path:
    """A box of small files, in the folder of a real one."""
    if not shutil.which("ssh-keygen"):
        pytest.skip("apt-get install openssh-client")
    wanted = recipe_hash("debian12")
    keys = make_keys(box_module._keys_folder("debian12", wanted))
    folder = box_module.boxes_folder() / f"debian12-{wanted}"
    folder.mkdir()
    sizes = {part: (folder / part).write_bytes(b"x" * 9) for part in ("disk.qcow2", "vmlinuz", "initrd")}
    (folder / "box.json").write_text(json.dumps(box_module._describe(sizes, keys)))
    return folder


def test_a_built_box_is_found_with_its_keys(box: Path) -> None:
    found = find_box()

    assert found is not None
    assert (found.disk, found.user) == (box / "disk.qcow2", "root")
    assert found.private_key.is_file()
    assert build_box() == found


def test_a_truncated_box_is_not_found(box: Path) -> None:
    (box / "disk.qcow2").write_bytes(b"x")

    assert find_box() is None


def test_a_box_without_its_keys_is_not_found(box: Path, home: Path) -> None:
    shutil.rmtree(home / "state/boxes")

    assert find_box() is None


def test_building_needs_root(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)

    with pytest.raises(IsolationError, match="only root may"):
        rootfs.check_tools()


def test_missing_tools_are_reported_with_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setattr(rootfs, "TOOLS", {"nosuch-tool": "nosuch-package"})

    with pytest.raises(IsolationError, match="apt-get install --no-install-recommends nosuch-package"):
        rootfs.check_tools()


def test_a_link_that_leads_out_of_the_box_is_refused(tmp_path: Path) -> None:
    (tmp_path / "tree").mkdir()
    (tmp_path / "tree/etc").symlink_to(tmp_path)

    with pytest.raises(IsolationError, match="leads out of it"):
        rootfs._below(tmp_path / "tree", "etc/hosts")
