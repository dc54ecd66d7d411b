"""provisioner.linux.mounts: reading mountinfo."""

from __future__ import annotations

from pathlib import Path

import pytest

from provisioner.linux import mounts

TEXT = """\
23 28 0:21 / /proc rw - proc proc rw
40 23 0:5 /a\\040b /srv/my\\040disk rw,relatime shared:7 master:1 - ext4 /dev/vda rw
41 40 0:6 / /srv/my\\040disk/sub rw - tmpfs tmpfs rw,mode=755
42 40 0:7 / /srv/my\\040disk/sub rw - tmpfs again rw
broken line
"""


def test_escapes_and_optional_fields_are_read() -> None:
    found = mounts.parse_mountinfo(TEXT)

    assert len(found) == 4
    assert found[1] == mounts.MountPoint("/a b", Path("/srv/my disk"), "ext4", ("rw",))


def test_the_deepest_mount_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mounts, "read_mounts", lambda: mounts.parse_mountinfo(TEXT))

    found = mounts.mounted_below(Path("/srv/my disk"))

    assert found == [Path("/srv/my disk/sub")] * 2 + [Path("/srv/my disk")]
    assert mounts.mounted_below(Path("/srv/my")) == []


def test_unmounting_what_is_not_mounted_is_no_error(tmp_path: Path) -> None:
    if mounts.os.geteuid():
        pytest.skip("an unprivileged user is refused before the kernel looks: run as root")

    assert mounts.unmount(tmp_path) is False
    assert mounts.unmount(tmp_path / "absent") is False
