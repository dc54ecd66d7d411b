"""Whether file modes let a process write to files of the host's root: by its uid, or by CAP_DAC_OVERRIDE."""

from __future__ import annotations

from typing import cast

import pytest

from provisioner.facts.process import Process
from provisioner.facts.status import Capabilities, IdRange
from pytest_isolation.walls.capabilities import mask_of
from pytest_isolation.walls.filesystem.paths import is_root_of_host

OVERRIDE = mask_of(("DAC_OVERRIDE",))
HOSTS = [(0, 0, (1 << 32) - 1)]
SUB_IDS = [(0, 100000, 65536)]
ROOT_AT_1000 = [(0, 100000, 1000), (1000, 0, 1)]


def process(uid: int, effective: int, uids: list[tuple[int, int, int]], gids: list[tuple[int, int, int]]) -> Process:
    def lines(drawn: list[tuple[int, int, int]]) -> list[IdRange]:
        return [IdRange(inside=inside, outside=outside, count=count) for inside, outside, count in drawn]

    capabilities = Capabilities(bounding=0, permitted=effective, effective=effective, inheritable=0, ambient=0)
    made = Process.model_construct(uid=[uid] * 4, capabilities=capabilities, uid_map=lines(uids), gid_map=lines(gids))
    return cast("Process", made)


@pytest.mark.parametrize(
    ("uid", "effective", "uids", "gids", "expected"),
    [
        (0, 0, HOSTS, HOSTS, True),
        (1000, 0, HOSTS, HOSTS, False),
        (1000, OVERRIDE, HOSTS, HOSTS, True),
        (100000, OVERRIDE, SUB_IDS, SUB_IDS, False),
        (100000, OVERRIDE, ROOT_AT_1000, ROOT_AT_1000, True),
        (100000, OVERRIDE, ROOT_AT_1000, SUB_IDS, False),
        (100000, OVERRIDE, SUB_IDS, ROOT_AT_1000, False),
        (100000, 0, ROOT_AT_1000, ROOT_AT_1000, False),
    ],
)
def test_root_by_uid_or_by_a_capability_over_its_files(
    uid: int, effective: int, uids: list[tuple[int, int, int]], gids: list[tuple[int, int, int]], expected: bool
) -> None:
    over_host = effective if uids is HOSTS else 0

    assert is_root_of_host(process(uid, effective, uids, gids), over_host) is expected
