"""Ranges of user and group ids.

In: the maps of two user namespaces.  Out: the ranges that both hold.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.facts.status import IdRange


def overlaps(own: Iterable[IdRange], other: Iterable[IdRange]) -> list[tuple[int, int]]:
    """Return the ranges of host ids that both maps hold, each as first and last id."""
    others = list(other)
    found = []
    for mine in own:
        for theirs in others:
            first = max(mine.outside, theirs.outside)
            last = min(mine.outside + mine.count, theirs.outside + theirs.count) - 1
            if first <= last:
                found.append((first, last))
    return sorted(found)
