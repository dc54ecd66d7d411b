"""Which lanes a run has: by tier, by the number of commits, and by what changed."""

from __future__ import annotations

import pytest

from tiers.choose import PUSH, SHARD, asked_for, choose, pick_shard, shards
from tiers.lanes import CONTENTS, LANES, Lane
from tiers.schedule import estimate

QUICK_LIMIT = 4 * 60


def names(tier: str, commits: int = 0, changed: tuple[str, ...] = ()) -> list[str]:
    return [lane.name for lane in choose(tier, commits, changed, {}).lanes]


def test_quick_is_lint_and_unit_and_fits_four_minutes() -> None:
    chosen = choose("quick", 0, [], {}).lanes

    assert [lane.name for lane in chosen] == ["lint", "unit"]
    assert max(lane.seconds for lane in chosen) <= QUICK_LIMIT


@pytest.mark.parametrize("commits", range(len(shards())))
def test_a_push_fits_its_time_whatever_its_shard(commits: int) -> None:
    assert estimate(choose("push", commits, [], {}).lanes) <= PUSH


@pytest.mark.parametrize("lane", shards(), ids=lambda lane: lane.name)
def test_every_full_lane_can_be_a_shard(lane: Lane) -> None:
    assert lane.seconds <= SHARD


def test_pushes_in_turn_run_every_full_lane() -> None:
    turns = {pick_shard(commits).name for commits in range(1000, 1000 + len(shards()))}

    assert turns == {lane.name for lane in LANES if lane.tier == "full"}


def test_all_is_every_lane_but_those_of_a_release() -> None:
    assert names("all") == [lane.name for lane in LANES if lane.tier != "release"]
    assert names("release") == [lane.name for lane in LANES]


def test_a_changed_role_asks_for_its_full_lanes() -> None:
    cheapest = min(range(len(shards())), key=lambda commits: shards()[commits].seconds)
    choice = choose("push", cheapest, ["roles/crun/runtime.yaml", "roles/crun/expected.yaml"], {})

    assert choice.why["container-crun"] == "2 changed paths"


def test_changed_machines_ask_for_the_labs() -> None:
    asked = [lane.name for lane, _ in asked_for(["provisioner/machines/lab.py"], {})]

    assert {"lab-machines", "lab-session", "lab-vagrant"} <= set(asked)


def test_a_changed_test_asks_for_the_lanes_that_name_it() -> None:
    tests = {"usage": ["tests/e2e/usage"], "lab-ssh": ["tests/e2e/lab/ssh"]}

    asked = asked_for(["tests/e2e/lab/ssh/test_ssh_commands_live.py", "tests/e2e/usagetest.py"], tests)

    assert [(lane.name, count) for lane, count in asked] == [("lab-ssh", 1)]


def test_lanes_of_the_most_changes_come_first() -> None:
    asked = asked_for(["roles/crun/a", "roles/qemu/a", "roles/qemu/b"], {})

    assert [lane.name for lane, _ in asked] == ["vm-qemu", "container-crun", "debian12-more"]


def test_what_does_not_fit_a_push_is_told() -> None:
    changed = [f"{path}x" for lane in LANES for path in lane.paths]

    choice = choose("push", 0, changed, {})

    asked = {lane.name for lane, _ in asked_for(changed, {})}
    assert estimate(choice.lanes) <= PUSH
    assert choice.left_out
    assert asked <= {lane.name for lane in (*choice.lanes, *choice.left_out)}
    assert not {*choice.left_out} & {*choice.lanes}


@pytest.mark.parametrize("tier", [tier for tier in CONTENTS if tier != "push"])
def test_changes_add_to_nothing_but_a_push(tier: str) -> None:
    assert names(tier, 7, ("roles/crun/a",)) == names(tier)
