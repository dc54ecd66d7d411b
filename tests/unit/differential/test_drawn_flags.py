"""The drawn flags of docker and podman: seeds are reproducible, shrinking ends, nothing of the host can be changed."""

from __future__ import annotations

import pytest
from generated.engines.draw import DEVICES, FEATURES, FILES, FOLDERS, OWN, draw_flags

from pytest_isolation.differential.draw import shrink

MANY = [draw_flags(seed) for seed in range(2000)]


@pytest.mark.parametrize("seed", range(20))
def test_a_seed_always_draws_the_same(seed: int) -> None:
    assert draw_flags(seed) == draw_flags(seed)


def test_every_feature_is_drawn() -> None:
    assert {name for drawn in MANY for name in drawn.chosen} == set(FEATURES)


def test_binds_lie_below_one_folder_and_folders_of_the_host_are_read_only() -> None:
    for bind in (bind for drawn in MANY for bind in drawn.chosen.get("binds", ())):
        source, _, rest = bind.partition(" at ")
        assert source in (*FOLDERS, *FILES, *OWN)
        assert rest.startswith("/drawn/")
        assert source not in FOLDERS or rest.endswith(", ro")


def test_no_device_acts_when_it_is_opened() -> None:
    assert {one.partition(":")[0] for one in DEVICES} == {"/dev/fuse", "/dev/zero", "/dev/null", "/dev/urandom"}
    assert not any("SYS_RESOURCE" in one for drawn in MANY for one in drawn.chosen.get("capabilities", ()))


def test_shrinking_keeps_the_deciding_choice_alone() -> None:
    drawn = next(one for one in MANY if one.chosen.get("pid") == "host" and len(one.chosen) > 4)

    assert shrink(drawn, lambda one: one.chosen.get("pid") == "host").chosen == {"pid": "host"}
