"""Finds the known name that is nearest to a wrong one, for the hint of an error."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CUTOFF = 0.5  # the least similarity, as difflib.SequenceMatcher.ratio() measures it


def nearest(name: str, known: Iterable[str], cutoff: float = CUTOFF) -> str | None:
    """
    Return the known name that is most similar to a name, or None if no name is similar.

    Args:
        name: the name that is not known.
        known: the names that are known.
        cutoff: the least similarity, from 0 to 1.
    """
    near = difflib.get_close_matches(name, list(known), 1, cutoff)
    return near[0] if near else None


def suggest(name: str, known: Iterable[str], otherwise: str = "") -> str:
    """
    Return the hint "did you mean '…'?".

    Args:
        name: the name that is not known.
        known: the names that are known.
        otherwise: the hint if no known name is similar.
    """
    near = nearest(name, known)
    return f"did you mean '{near}'?" if near else otherwise


def suggest_and_list(name: str, known: Iterable[str], listed: str) -> str:
    """
    Return the hint "did you mean '…'? (LISTED)".

    Args:
        name: the name that is not known.
        known: the names that are known.
        listed: the text in brackets, and the whole hint if no known name is similar.
    """
    near = suggest(name, known)
    return f"{near} ({listed})" if near else listed
