"""Chooses which plants a session tries, and computes the cover: the cheapest plants that together open every check.

PYTEST_ISOLATION_PLANTS names the choice:
- `all`: every plant that the session's runtimes can express.
- `few`: per runtime, plants that open each check once, and all look-alikes.
- `cover`: the plants of cover.json, which open each check once over all runtimes; what opens the checks that these
  leave on this host; plants that nobody has measured yet, so that a new one is tried at once; runc's look-alikes.

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


def choose(plants: Mapping[str, list[Plant]], here: bool, choice: str) -> dict[str, list[Plant]]:
    """
    Return the plants to try, by runtime.

    Args:
        plants: by the name by which plants know a runtime, those that it can express on its host.
        here: whether the host is this machine.
        choice: `all`, `few` or `cover`.

    Raises:
        ValueError: there is no such choice.
    """
    if choice == "all":
        return dict(plants)
    if choice == "few":
        return {runtime: _few(found, here) for runtime, found in plants.items()}
    if choice == "cover":
        return _cover_here(plants, here, json.loads(SECONDS.read_text()), json.loads(COVER.read_text()))
    raise ValueError(f"PYTEST_ISOLATION_PLANTS is {choice!r}: it must be all, few or cover")


def _cover_here(
    plants: Mapping[str, list[Plant]], here: bool, seconds: Seconds, known: Cover
) -> dict[str, list[Plant]]:
    """Return what the choice `cover` tries: a host may lack what a plant of cover.json needs."""
    measured = {
        (runtime, plant.name): set(plant.opens_on(here))
        for runtime, found in plants.items()
        for plant in found
        if plant.opens and plant.name in seconds.get(runtime, {})
    }
    taken = {pair for pair in measured if pair[1] in known.get(pair[0], ())}
    left = set().union(*measured.values()) - set().union(*(measured[pair] for pair in taken))
    taken |= set(_take_greedily(measured, left, seconds))
    return {
        runtime: [
            plant
            for plant in found
            if (runtime, plant.name) in taken
            or (plant.opens and (runtime, plant.name) not in measured)
            or (plant.look_alike and runtime == LOOK_ALIKES_OF)
        ]
        for runtime, found in plants.items()
    }


def _take_greedily(opens: Mapping[Pair, set[str]], left: set[str], seconds: Seconds) -> list[Pair]:
    """Return pairs that open all that is left, each the one that opens most of the rest per second."""
    taken: list[Pair] = []
    while left:
        best = max(sorted(opens), key=lambda pair: len(opens[pair] & left) / _cost(seconds, pair))
        taken.append(best)
        left = left - opens[best]
    return taken


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
    chosen = _take_greedily(opens, set().union(*opens.values()), seconds)
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
