"""Chooses the lanes of a run from its tier, the number of commits and the paths that changed.

On a push that is: the quick and the push lanes; one full lane, the shard, which the number of commits picks; and the
full lanes that changed paths ask for, as long as all fits the time of a push. What does not fit is told, with the
command that runs it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tiers.lanes import CONTENTS, LANES, Lane
from tiers.schedule import estimate

PUSH = 1000  # seconds planned for a push; the rest of its 18 minutes is for script/check beside it and second tries
ASKED = 870  # seconds up to which lanes are added that changed paths ask for
SHARD = 8 * 60  # seconds that a full lane may take to be a shard


@dataclass(frozen=True)
class Choice:
    """
    The lanes of a run.

    Attributes:
        lanes: what runs.
        why: lane to the reason why it was added to what its tier runs anyway.
        left_out: lanes that changed paths ask for and for which there is no time.
    """

    lanes: tuple[Lane, ...]
    why: Mapping[str, str]
    left_out: tuple[Lane, ...] = ()


def choose(tier: str, commits: int, changed: Iterable[str], tests: Mapping[str, Iterable[str]]) -> Choice:
    """
    Return what a run of a tier consists of.

    Args:
        tier: a key of CONTENTS.
        commits: the number of commits up to HEAD.
        changed: paths that changed since the last landed state, from the project's root.
        tests: environment to the tests that it names, files or folders.
    """
    lanes = [lane for lane in LANES if lane.tier in CONTENTS[tier]]
    if tier != "push":
        return Choice(tuple(lanes), {})
    shard = pick_shard(commits)
    why = {shard.name: f"shard of commit {commits}"}
    lanes.append(shard)
    left_out: list[Lane] = []
    for lane, count in asked_for(list(changed), tests):
        if lane in lanes:
            continue
        if estimate([*lanes, lane]) <= ASKED:
            lanes.append(lane)
            why[lane.name] = f"{count} changed path{'s' * (count > 1)}"
        else:
            left_out.append(lane)
    return Choice(tuple(lanes), why, tuple(left_out))


def shards() -> list[Lane]:
    """Return the full lanes of which each push runs one."""
    return [lane for lane in LANES if lane.tier == "full"]


def pick_shard(commits: int) -> Lane:
    """Return the full lane of a push, by the number of commits up to it."""
    return shards()[commits % len(shards())]


def asked_for(changed: list[str], tests: Mapping[str, Iterable[str]]) -> list[tuple[Lane, int]]:
    """Return the full lanes that changed paths ask for and by how many each, the most first."""
    counts: list[tuple[Lane, int]] = []
    for lane in shards():
        asking = [*lane.paths, *tests.get(lane.name, ())]
        count = sum(any(_is_below(path, one) for one in asking) for path in changed)
        if count:
            counts.append((lane, count))
    return sorted(counts, key=lambda found: -found[1])


def _is_below(path: str, other: str) -> bool:
    return path == other or path.startswith(f"{other.rstrip('/')}/")
