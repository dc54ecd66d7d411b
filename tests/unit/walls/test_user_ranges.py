"""Ranges of user and group ids, and the host's ids in them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import provisioner
from provisioner.facts.image import PrivilegedFile
from provisioner.facts.process import Process
from provisioner.facts.status import IdRange
from pytest_isolation.walls.users import (
    PRIVILEGED_GROUPS,
    foreign_capabilities,
    groups_held,
    groups_mapped,
    overlaps,
    root_mapped,
)

LINE = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 12))
IDS = st.lists(LINE, max_size=5)


def ranges(*outside: tuple[int, int]) -> list[IdRange]:
    return [IdRange(inside=0, outside=first, count=count) for first, count in outside]


@pytest.mark.parametrize(
    ("own", "other", "expected"),
    [
        (((100, 10),), ((110, 10),), []),
        (((100, 10),), ((109, 10),), [(109, 109)]),
        (((100, 100),), ((120, 5), (150, 100)), [(120, 124), (150, 199)]),
        (((5, 1),), ((5, 1),), [(5, 5)]),
        ((), ((0, 10),), []),
    ],
)
def test_ranges_that_both_maps_hold(own: list[tuple[int, int]], other: list[tuple[int, int]], expected: object) -> None:
    assert overlaps(ranges(*own), ranges(*other)) == expected


def lines(drawn: list[tuple[int, int, int]]) -> list[IdRange]:
    return [IdRange(inside=inside, outside=outside, count=count) for inside, outside, count in drawn]


def every_id(drawn: list[tuple[int, int, int]]) -> dict[int, int]:
    """Return host id to id inside, one id after the other; the first line that has an id decides, as in the kernel."""
    found: dict[int, int] = {}
    for inside, outside, count in drawn:
        for at in range(count):
            found.setdefault(outside + at, inside + at)
    return found


def process(**fields: Any) -> Process:
    return Process.model_construct(**fields)


@given(IDS, IDS)
def test_drawn_maps_overlap_in_the_ids_that_both_hold(own: Any, other: Any) -> None:
    ids = {id_ for first, last in overlaps(lines(own), lines(other)) for id_ in range(first, last + 1)}

    assert ids == set(every_id(own)) & set(every_id(other))


@given(IDS, IDS)
def test_the_hosts_root_is_found_at_any_id_of_a_drawn_map(uids: Any, gids: Any) -> None:
    found = " ".join(root_mapped(process(uid_map=lines(uids), gid_map=lines(gids))))

    uid, gid = every_id(uids).get(0), every_id(gids).get(0)
    words = "its root is the host's root" if uid == 0 else f"its uid {uid} is the host's root"
    assert found == (words if uid is not None else f"its gid {gid} is the host's group 0" if gid is not None else "")


@given(IDS, st.dictionaries(st.integers(0, 60), st.sampled_from(sorted(PRIVILEGED_GROUPS))))
def test_privileged_groups_are_found_at_any_id_of_a_drawn_map(gids: Any, names: dict[int, str]) -> None:
    found = groups_mapped(lines(gids), names)

    held = every_id(gids)
    assert found == [
        f"its gid {held[gid]} is the host's group {names[gid]} ({gid})" for gid in sorted(set(held) & set(names) - {0})
    ]


@given(st.lists(st.integers(0, 8), max_size=6), st.integers(0, 8), st.sets(st.integers(0, 8)))
def test_a_privileged_group_counts_as_primary_and_as_supplementary(
    groups: list[int], gid: int, privileged: set[int]
) -> None:
    found = groups_held(process(gid=[gid] * 4, groups=groups), [], dict.fromkeys(privileged, "disk"))

    assert len(found) == len({one for one in {*groups, gid} if one in privileged and not (one == gid == 0)})


@pytest.mark.parametrize(
    ("capabilities", "root", "found"),
    [(True, None, True), (True, 0, True), (True, 100000, False), (False, None, False)],
)
def test_capabilities_of_another_root_are_not_the_hosts(capabilities: bool, root: int | None, found: bool) -> None:
    file = PrivilegedFile(path="/x", user=False, group=False, capabilities=capabilities, capability_root=root)

    assert foreign_capabilities([file]) == (["/x"] if found else [])


def test_the_probe_reads_every_privileged_group() -> None:
    source = (Path(provisioner.__file__).parent / "probe/exposed/groups.c").read_text()
    table = source.partition("names[] = {")[2].partition("};")[0]

    assert set(re.findall(r'"([^"]+)"', table)) == set(PRIVILEGED_GROUPS)
