"""Finds the known name that is nearest to a wrong one, for the hint of an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CUTOFF = 0.5  # the least similarity, as difflib.SequenceMatcher.ratio() measures it


def nearest(name: str, known: Iterable[str], cutoff: float = CUTOFF) -> str | None:
    """Return the known name that is most like `name`, or None if none is like it."""
    near = difflib.get_close_matches(name, list(known), 1, cutoff)
    return near[0] if near else None


def suggest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """Return "did you mean '…'?", or `otherwise` when no known name is near."""
    near = nearest(name, known)
    return f"did you mean '{near}'?" if near else otherwise


def suggest_and_list(name: str, known: Iterable[str], listed: str) -> str:
    """Return "did you mean '…'? (`listed`)", or `listed` alone when no known name is near."""
    near = suggest(name, known)
    return f"{near} ({listed})" if near else listed
