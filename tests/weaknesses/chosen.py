"""Chooses which plants a session tries, and computes the cover: the cheapest plants that together open every check.

PYTEST_ISOLATION_PLANTS names the choice:
- `all`: every plant that the session's runtimes can express.
- `few`: per runtime, plants that open each check once, and all look-alikes.
- `cover`: the plants of cover.json, which open each check once over all runtimes, and runc's look-alikes.

seconds.json holds what test_live.py measured on a host; script/reference writes cover.json from it.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

from plant import Plant

SECONDS = Path(__file__).with_name("seconds.json")
COVER = Path(__file__).with_name("cover.json")
# The runtimes of the session that tries the cover (tox.ini, `together`).
RUNTIMES = ("unshare", "docker", "podman", "runc", "crun", "lxc", "bwrap", "nspawn", "qemu")
LOOK_ALIKES_OF = "runc"

Seconds = Mapping[str, Mapping[str, float]]
Cover = Mapping[str, Collection[str]]
Pair = tuple[str, str]  # a runtime's name and a plant's


def choose(plants: list[Plant], runtime: str, here: bool, choice: str) -> list[Plant]:
    """
    Return the plants of one runtime to try.

    Args:
        plants: those that the runtime can express on its host.
        runtime: the name by which plants know the runtime.
        here: whether the host is this machine.
        choice: `all`, `few` or `cover`.

    Raises:
        ValueError: there is no such choice.
    """
    if choice == "all":
        return plants
    if choice == "few":
        return _few(plants, here)
    if choice == "cover":
        names = json.loads(COVER.read_text()).get(runtime, ())
        return [one for one in plants if one.name in names or (one.look_alike and runtime == LOOK_ALIKES_OF)]
    raise ValueError(f"PYTEST_ISOLATION_PLANTS is {choice!r}: it must be all, few or cover")


def _few(plants: list[Plant], here: bool) -> list[Plant]:
    left = {check for plant in plants for check in plant.opens_on(here)}
    kept: list[Plant] = []
    while left:
        most = max(plants, key=lambda plant: len(left & plant.opens_on(here).keys()))
        kept.append(most)
        left -= most.opens.keys()
    return [plant for plant in plants if plant in kept or plant.look_alike]


def cover(plants: Iterable[Plant], seconds: Seconds) -> dict[str, list[str]]:
    """
    Return plants that open every check which any plant opened, by runtime; a greedy cover weighted by time.

    Each step takes the plant that opens the most further checks per second (Chvátal 1979, "A greedy heuristic for the
    set-covering problem"); at the end plants that the later ones made superfluous are left out.

    Args:
        plants: all plants.
        seconds: what each took, by runtime and name; a plant that was not seen is not chosen.
    """
    opens = _opens(plants, seconds)
    left = set().union(*opens.values())
    chosen: list[Pair] = []
    while left:
        best = max(sorted(opens), key=lambda pair: len(opens[pair] & left) / _cost(seconds, pair))
        chosen.append(best)
        left -= opens[best]
    for pair in sorted(chosen, key=lambda pair: (-_cost(seconds, pair), pair)):
        others = set().union(*(opens[other] for other in chosen if other != pair))
        if opens[pair] <= others:
            chosen.remove(pair)
    found: dict[str, list[str]] = {}
    for runtime, name in sorted(chosen):
        found.setdefault(runtime, []).append(name)
    return found


def not_opened(plants: Iterable[Plant], seconds: Seconds, chosen: Cover) -> set[str]:
    """Return the checks that some plant was seen to open and none of the chosen opens."""
    opens = _opens(plants, seconds)
    covered = {check for pair, checks in opens.items() if pair[1] in chosen.get(pair[0], ()) for check in checks}
    return set().union(*opens.values()) - covered


def _opens(plants: Iterable[Plant], seconds: Seconds) -> dict[Pair, set[str]]:
    """Return what each plant opens that was seen and is no look-alike."""
    return {
        (runtime, plant.name): set(plant.opens)
        for plant in plants
        for runtime in plant.runtimes
        if runtime in RUNTIMES and plant.opens and plant.name in seconds.get(runtime, {})
    }


def _cost(seconds: Seconds, pair: Pair) -> float:
    return max(seconds[pair[0]][pair[1]], 0.1)
