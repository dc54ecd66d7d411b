"""pytest_isolation.differential: seeds are reproducible, shrinking ends, no configuration reaches the host."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from provisioner.errors import IsolationError
from pytest_isolation.differential.command import compare
from pytest_isolation.differential.draw import FEATURES, OWNED_MOUNTS, Drawn, draw_config, shrink
from pytest_isolation.differential.edits import Place

PLACE = Place(Path("/own/innocent"), Path("/own/other"), Path("/own/shared"))
SPEC: dict[str, Any] = {
    "hostname": "runc",
    "process": {
        "user": {"uid": 0, "gid": 0},
        "env": ["PATH=/bin"],
        "capabilities": {"bounding": ["CAP_KILL"], "permitted": ["CAP_KILL"], "effective": ["CAP_KILL"]},
        "noNewPrivileges": True,
        "rlimits": [],
    },
    "root": {"path": "rootfs", "readonly": True},
    "mounts": [{"destination": path, "options": ["nosuid", "ro"]} for path in ("/sys", "/sys/fs/cgroup")],
    "linux": {
        "namespaces": [{"type": kind} for kind in ("pid", "network", "ipc", "uts", "mount")],
        "maskedPaths": ["/proc/keys"],
        "readonlyPaths": ["/proc/sys"],
    },
}


def made_of(drawn: Drawn, place: Place = PLACE) -> dict[str, Any]:
    config = copy.deepcopy(SPEC)
    for edit in drawn.edits(place):
        edit(config)
    return config


@pytest.mark.parametrize("seed", range(50))
def test_a_seed_always_draws_the_same(seed: int) -> None:
    assert draw_config(seed, PLACE) == draw_config(seed, PLACE)
    assert made_of(draw_config(seed, PLACE)) == made_of(draw_config(seed, PLACE))


def test_every_feature_is_drawn_and_makes_a_difference() -> None:
    seen, differ = set(), set()
    for seed in range(500):
        for name, choice in draw_config(seed, PLACE).chosen.items():
            seen.add(name)
            if made_of(Drawn(0, {name: choice})) != SPEC:
                differ.add(name)

    assert seen == differ == set(FEATURES)


def test_a_place_without_a_shared_mount_changes_nothing_else() -> None:
    alone = Place(PLACE.innocent, PLACE.other)

    for seed in range(200):
        chosen = dict(draw_config(seed, PLACE).chosen)
        chosen.pop("shared bind", None)
        assert chosen == draw_config(seed, alone).chosen


def test_no_configuration_reaches_the_host() -> None:
    for seed in range(3000):
        config = made_of(draw_config(seed, PLACE))
        kinds = {one["type"] for one in config["linux"]["namespaces"]}
        assert "mount" in kinds
        assert "uts" in kinds or "hostname" not in config, "it would be the host's name that is set"
        assert "user" not in kinds or set(OWNED_MOUNTS) <= kinds
        assert "CAP_SYS_RESOURCE" not in json.dumps(config)
        binds = [one for one in config["mounts"] if one["destination"] == "/bound"]
        assert all("ro" in one["options"] for one in binds)
        assert all(one["type"] == "c" for one in config["linux"].get("devices", ())), "opening a block node acts"


def test_shrinking_keeps_only_the_deciding_choice() -> None:
    def still(drawn: Drawn) -> bool:
        return "NET_RAW" in str(drawn.chosen.get("capabilities", ""))

    found = next(drawn for seed in range(1000) if still(drawn := draw_config(seed, PLACE)) and len(drawn.chosen) > 4)
    smallest = shrink(found, still)

    assert list(smallest.chosen) == ["capabilities"]
    assert len(smallest.chosen["capabilities"]) == 1


def test_shrinking_without_a_deciding_choice_ends_at_stock() -> None:
    assert shrink(draw_config(7, PLACE), lambda _: True).chosen == {}
    assert str(Drawn(7, {})) == "seed 7: stock"


@pytest.mark.parametrize(
    ("runtimes", "config", "cause"),
    [
        (["runc", "crun"], "gen:0", "cannot read --config 'gen:0'"),
        (["runc", "crun"], "500", "cannot read --config '500'"),
        (["runc", "crun"], "gen:9999999", "cannot read --config"),
        (["runc"], "gen:5", "two runtimes are needed"),
        (["runc", "runc"], "gen:5", "two runtimes are needed"),
        (["runc", "unshare"], "gen:5", "cannot run a drawn configuration in 'unshare': it reads no config.json"),
        (["runc", "crum"], "gen:5", "crum"),
    ],
)
def test_wrong_arguments_give_one_line(
    runtimes: list[str], config: str, cause: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_isolation.targets.select.lack_of", lambda runtime: None)

    with pytest.raises(IsolationError) as error:
        compare(runtimes, config, 1, None, print)
    assert cause in str(error.value)
    assert "\n" not in str(error.value)
