"""Capability masks, host paths, masks, labels and default devices, over single facts."""

from __future__ import annotations

import pytest

from provisioner.errors import UnobservedFact
from provisioner.facts.devices import Device
from provisioner.facts.mounts import Mount
from provisioner.facts.system import Path
from pytest_isolation.walls import capabilities, labels
from pytest_isolation.walls.filesystem import devices, host_tree, mounts, origins, paths


def _mount(target: str = "/x", root: str = "/", minor: int = 1, **more: object) -> Mount:
    line = {"id": 1, "parent": 0, "major": 8, "minor": minor, "root": root, "target": target, "options": ["rw"]}
    line |= {"tags": [], "fstype": "ext4", "source": "/dev/a", "super_options": []}
    return Mount.model_validate(line | more)


def _path(**more: object) -> Path:
    seen = {"type": "file", "rdev": None, "fstype": 1, "read_only": False, "entries": None, "write": None}
    return Path.model_validate(seen | more)


def test_names_and_masks_convert_both_ways() -> None:
    names = ("CHOWN", "SYS_ADMIN", "CHECKPOINT_RESTORE")

    assert frozenset(names) == capabilities.names_in(capabilities.mask_of(names))
    assert capabilities.mask_of(["cap_sys_admin"]) == 1 << 21
    assert capabilities.mask_of(["CHECKPOINT_RESTORE"]) == 1 << 40


def test_a_capability_newer_than_the_table_is_named_by_its_number() -> None:
    assert capabilities.beyond(1 << 63 | 1, ["CAP_CHOWN"]) == ["CAP_63"]


def test_every_host_path_of_a_mount_is_found() -> None:
    host = [_mount("/", "/"), _mount("/srv", "/volumes"), _mount("/other", "/", minor=2)]

    assert origins.host_paths(_mount(root="/volumes/a"), host) == ["/srv/a", "/volumes/a"]
    assert origins.host_paths(_mount(minor=9), host) == []


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/var",
        "/etc/ssh",
        "/proc/sys",
        "/run",
        "/run/x/podman.sock",
        "/var/lib",
        "/home/u",
        "/home/u/.ssh/id",
        "/tmp",
    ],
)
def test_a_sensitive_path_is_one_of_the_list_above_or_below_it(path: str) -> None:
    assert host_tree.why_sensitive(path)


@pytest.mark.parametrize(
    "path", ["/etcetera", "/var/lib/mysql", "/home/u/src", "/home/u/.cache/x", "/srv", "/tmp/x", "/opt/x"]
)
def test_other_paths_are_not_sensitive(path: str) -> None:
    assert host_tree.why_sensitive(path) is None


def test_a_fresh_proc_in_the_hosts_pid_namespace_is_no_host_path() -> None:
    proc = _mount("/proc", fstype="proc")

    assert mounts.sensitive_mounts([proc], [proc], shared=["pid"]) == []
    assert mounts.sensitive_mounts([proc], [proc]) == [
        "/proc is the host's /proc: settings and state of the host's kernel"
    ]


def test_the_subjects_own_executable_may_come_from_anywhere() -> None:
    host, probe = [_mount("/", "/")], _mount("/probe", "/usr/lib/probe")

    assert mounts.sensitive_mounts([probe], host, exe="/probe") == []
    assert mounts.sensitive_mounts([probe], host) == ["/probe is the host's /usr/lib/probe: programs of the host"]


def test_read_only_binds_of_proc_are_no_masks() -> None:
    found = mounts.masks([_mount("/proc/sys", fstype="proc"), _mount("/proc/kcore", fstype="tmpfs")])

    assert [mount.target for mount in found] == ["/proc/kcore"]


def test_a_mask_that_opens_for_writing_is_not_writable() -> None:
    assert not paths.is_writable(_path(type="char", rdev=[1, 3], write="ok"))
    assert paths.is_writable(_path(write="ok"))


@pytest.mark.parametrize("write", ["EIO", "ELOOP", None])
def test_an_open_that_fails_otherwise_is_unobserved(write: str | None) -> None:
    with pytest.raises(UnobservedFact):
        paths.is_writable(_path(write=write))


@pytest.mark.parametrize(
    ("label", "confined"),
    [
        ("docker-default (enforce)", True),
        ("crun (unconfined)", False),
        ("x (complain)", False),
        ("unconfined", False),
        ("", False),
        ("system_u:system_r:container_t:s0:c1,c2", True),
        ("unconfined_u:unconfined_r:unconfined_t:s0", False),
        ("_", False),
    ],
)
def test_only_an_enforced_label_confines(label: str, confined: bool) -> None:
    assert confined == (labels.why_unconfined(label, host_label="_") is None)


def test_a_default_device_has_its_name_and_number() -> None:
    def node(path: str, major: int, minor: int) -> Device:
        return Device(path=path, kind="char", major=major, minor=minor, open=None)

    assert devices.is_default(node("/dev/null", 1, 3))
    assert devices.is_default(node("/dev/console", 136, 4))
    assert devices.is_default(node("/srv/chroot/dev/random", 1, 8))
    assert devices.is_default(node("/opt/whiteout", 0, 0))
    assert not devices.is_default(node("/opt/console", 5, 1))
    assert not devices.is_default(node("/opt/null", 10, 229))
    assert not devices.is_default(node("/dev/null", 1, 1))
    assert not devices.is_default(node("/dev/fuse", 10, 229))
