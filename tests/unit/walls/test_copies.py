"""Names of kernel files below further mounts of procfs and sysfs."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioner.errors import UnobservedFact
from provisioner.facts.mounts import Mount
from provisioner.facts.system import Path
from provisioner.observed import FactMap
from pytest_isolation.walls.filesystem.copies import names_of, shown, shows_processes, writable_sysfs
from pytest_isolation.walls.filesystem.mounts import masks
from pytest_isolation.walls.filesystem.paths import is_writable

PATTERN = "/proc/sys/kernel/core_pattern"
PLAIN = Path(type="file", rdev=None, fstype=0x9FA0, read_only=False, entries=None, write="ok")
ABSENT = Path(type="absent", rdev=None, fstype=None, read_only=None, entries=None, write=None)
names = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=12
)
places = st.lists(names.filter(lambda name: name not in (".", "..")), min_size=1, max_size=6).map(
    lambda parts: "/" + "/".join(parts)
)


def mount(target: str, fstype: str = "proc", root: str = "/", *options: str) -> Mount:
    return Mount(
        id=1,
        parent=0,
        major=0,
        minor=9,
        root=root,
        target=target,
        options=list(options or ("rw",)),
        tags=[],
        fstype=fstype,
        source="none",
        super_options=["rw"],
    )


@given(places, st.sampled_from(["/", "/sys", "/sys/kernel", PATTERN.removeprefix("/proc")]))
def test_a_file_is_found_below_any_mount_of_a_part_that_holds_it(target: str, root: str) -> None:
    found = names_of([mount("/proc"), mount(target, root=root)], PATTERN)

    rest = PATTERN.removeprefix("/proc").removeprefix(root if root != "/" else "")
    assert [PATTERN, target + rest] == found or (target + rest == PATTERN and found == [PATTERN])


@given(places, st.sampled_from(["/bus", "/sys/kern", "/sys/kernel/core_pattern2", "/sys/net"]))
def test_a_part_without_the_file_adds_no_name(target: str, root: str) -> None:
    assert names_of([mount(target, root=root)], PATTERN) == [PATTERN]


def test_a_name_that_was_not_looked_at_is_unobserved() -> None:
    paths = FactMap[Path]({PATTERN: ABSENT})

    with pytest.raises(UnobservedFact, match="/opt/p/sys/kernel/core_pattern"):
        shown(paths, [mount("/opt/p")], [PATTERN], is_writable)


def test_a_name_that_opens_decides_though_another_was_not_looked_at() -> None:
    paths = FactMap[Path]({PATTERN: ABSENT, "/b/sys/kernel/core_pattern": PLAIN})

    found = shown(paths, [mount("/a"), mount("/b")], [PATTERN], is_writable)

    assert found == ["/b/sys/kernel/core_pattern"]


def test_only_the_mount_on_top_is_writable() -> None:
    mounts = [mount("/s", "sysfs"), mount("/s", "sysfs", "/", "ro"), mount("/t", "sysfs", "/kernel")]

    assert writable_sysfs(mounts) == ["/t"]


@pytest.mark.parametrize(
    ("root", "shows"), [("/", True), ("/1", True), ("/77/task", True), ("/sys", False), ("/version", False)]
)
def test_the_whole_procfs_and_folders_of_processes_show_processes(root: str, shows: bool) -> None:
    assert shows_processes(mount("/opt/p", root=root)) == shows


@given(places)
def test_a_mask_in_any_mount_of_procfs_is_found(target: str) -> None:
    mounts = [mount(target), mount(f"{target}/kcore", "tmpfs")]

    assert [one.target for one in masks(mounts)] == [f"{target}/kcore"]


def test_what_lies_beside_a_procfs_is_no_mask() -> None:
    assert masks([mount("/opt/p", root="/sys"), mount("/opt/p/kcore", "tmpfs"), mount("/opt/kcore", "tmpfs")]) == []
