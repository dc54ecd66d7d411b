"""provisioner.linux.cgroups finds hierarchies, folders and files; ordinary folders stand for cgroups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.limits.limits import Limits
from provisioner.linux import cgroups
from provisioner.linux.mounts import MountPoint

ALL = Limits(memory=64 << 20, cpus=0.5, pids=32).cgroup_settings()


def v1(root: Path, *controllers: str) -> MountPoint:
    folder = root / ",".join(controllers)
    folder.mkdir(parents=True)
    return MountPoint("/", folder, "cgroup", ("rw", *controllers))


def v2(root: Path, held: str) -> MountPoint:
    root.mkdir()
    (root / "cgroup.controllers").write_text(held)
    return MountPoint("/", root, "cgroup2", ("rw",))


def test_the_mode_depends_on_the_controllers(tmp_path: Path) -> None:
    memory, unified = v1(tmp_path / "v1", "memory"), v2(tmp_path / "v2", "cpu memory pids")
    empty, named = v2(tmp_path / "empty", "hugetlb"), v1(tmp_path / "v1", "name=systemd")

    assert cgroups.mode_of([memory]) == "v1"
    assert cgroups.mode_of([memory, named, empty]) == "hybrid"
    assert cgroups.mode_of([unified]) == "v2"
    assert cgroups.mode_of([empty, named]) == "none"
    assert cgroups.mode_of([]) == "none"


@pytest.mark.parametrize(("uid", "hint"), [(1000, "run as root, or in a scope"), (0, "run on the host, or in a ")])
def test_without_controllers_the_error_has_a_hint(monkeypatch: pytest.MonkeyPatch, uid: int, hint: str) -> None:
    monkeypatch.setattr(cgroups, "read_mounts", list)
    monkeypatch.setattr(os, "geteuid", lambda: uid)

    with pytest.raises(cgroups.CannotLimitError, match=f"no cgroup controllers are mounted; {hint}"):
        cgroups.make_cgroups("0a1b", "one", ALL)


@pytest.mark.parametrize("name", ["", "..", "a/b", "a\n", "a b"])
def test_a_name_that_is_not_a_folders_is_refused(name: str) -> None:
    with pytest.raises(IsolationError, match="not a name"):
        cgroups.make_cgroups("0a1b", name, ALL)


def test_a_missing_controller_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = [v1(tmp_path, "memory"), v1(tmp_path, "cpu", "cpuacct")]
    monkeypatch.setattr(cgroups, "read_mounts", lambda: mounts)
    monkeypatch.setattr(cgroups, "_write_files", lambda folder, files: None)
    planned: list[Path] = []

    mend = "boot the host without cgroup_disable=pids"
    with pytest.raises(cgroups.CannotLimitError, match=f"cannot limit 'pids': no pids controller is mounted; {mend}"):
        cgroups.make_cgroups("0a1b", "one", ALL, planned.append)
    assert planned == [mount.target / "isolation-0a1b" / "one" for mount in mounts]
    assert [path for mount in mounts for path in mount.target.iterdir()] == []


def test_v1_limits_swap_too_if_it_is_counted(tmp_path: Path) -> None:
    for name in ("memory.memsw.limit_in_bytes",):
        (tmp_path / name).touch()

    for setting in ALL:
        cgroups._write_files(tmp_path, setting.v1)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "memory.limit_in_bytes": "67108864",
        "memory.memsw.limit_in_bytes": "67108864",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "50000",
        "pids.max": "32",
    }


def test_v2_allows_no_swap_and_writes_one_file_for_each(tmp_path: Path) -> None:
    (tmp_path / "memory.swap.max").touch()

    for setting in ALL:
        cgroups._write_files(tmp_path, setting.v2)

    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "memory.max": "67108864",
        "memory.swap.max": "0",
        "cpu.max": "50000 100000",
        "pids.max": "32",
    }


def test_v2_without_the_controller_names_the_delegating_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cgroups, "read_mounts", lambda: [v2(tmp_path / "v2", "memory")])
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(cgroups, "_own_folder", lambda mount, controller: mount.target / "user.slice" / "own")

    with pytest.raises(IsolationError, match=r"has no cpu controller; .*systemd-run --user --scope -p Delegate=yes"):
        cgroups.make_cgroups("0a1b", "one", Limits(cpus=1).cgroup_settings())
    assert [path.name for path in (tmp_path / "v2").iterdir()] == ["cgroup.controllers"]


def test_a_foreign_cgroup_is_deleted_only_if_it_is_empty(tmp_path: Path) -> None:
    (tmp_path / "docker" / "busy").mkdir(parents=True)
    (tmp_path / "docker" / "busy" / "cgroup.procs").write_text("1\n")

    assert cgroups.delete_cgroup(tmp_path / "docker") is False
    assert (tmp_path / "docker" / "busy").is_dir()
    assert cgroups.delete_cgroup(tmp_path / "absent") is False
