"""The figures of one limit as people quote them: allotted, shown inside, shown outside, measured, overshoot.

In: amounts in the limit's unit.  Out: `Figures`, and its text "quota 0.5 processors, used 0.502 over 2 s (+0.4 %)".
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figures:
    """
    What one limit came to under its load.  An amount is None where there is none, or where it was not observed.

    Attributes:
        unit: the unit of all amounts, in words: "bytes".
        allotted: the amount that was asked for.
        inside: the amount that the sandbox itself sees.
        outside: the amount that the host shows.
        measured: the most that the load came to.
        overshoot: by how many per cent `measured` is above `allotted`; negative if it is below.
        text: the same in words.
        set_by: what set the limit: a part of the command line, a key of a config file, or files of a cgroup.
    """

    unit: str
    allotted: float
    inside: float | None = None
    outside: float | None = None
    measured: float | None = None
    overshoot: float | None = None
    text: str = ""
    set_by: str = ""


def overshoot_of(allotted: float, measured: float | None) -> float | None:
    """Return by how many per cent an amount is above what is allotted; None if nothing is measured or allotted."""
    return None if measured is None or not allotted else round((measured / allotted - 1) * 100, 1)


def show_overshoot(per_cent: float | None) -> str:
    """Return it as people quote it: "+0.4 %"; "" if nothing was measured."""
    return "" if per_cent is None else f"{per_cent + 0.0:+.1f} %"
