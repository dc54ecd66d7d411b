"""What rules are made of: the verdicts, and rules that a condition decides."""

from __future__ import annotations

from collections.abc import Callable

from world import World

HOLDS, OPEN, NOT_APPLICABLE = "holds", "open", "not_applicable"
HOSTS = "as on the host"  # what else runs on the host decides: no verdict is compared

Rule = Callable[[World], str | None]


def open_if(wrong: Callable[[World], bool]) -> Rule:
    """Return a rule: open if the condition is true, holds otherwise."""
    return lambda world: OPEN if wrong(world) else HOLDS


def opened_if(wrong: Callable[[World], bool]) -> Rule:
    """Return a rule: open if the condition is true, as in the stock configuration otherwise."""
    return lambda world: OPEN if wrong(world) else None


def held_if(wall: Callable[[World], bool]) -> Rule:
    """Return a rule: holds if the condition is true, as in the stock configuration otherwise."""
    return lambda world: HOLDS if wall(world) else None
