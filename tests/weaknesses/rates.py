"""How often the checks are right about planted weaknesses and look-alikes, by area: the part of an id before its dot.

In: for each plant, which checks had to move, which moved, and all that were judged.  Out: `Counts`, and a table.
A cell is one check judged of one plant.  Where it has to move it is a true positive if it moved as expected, else a
false negative; where it must stay it is a false positive if it moved.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import astuple, dataclass

Moves = Mapping[str, str]  # the new verdict by check
Areas = dict[str, list[int]]  # `Counts` as plain numbers, by area: what a report of pytest can hold
ALL = "all"


@dataclass(frozen=True)
class Counts:
    """
    The cells of one area.

    Attributes:
        found, missed: those that had to move, and did or did not.
        false, quiet: those that had to stay, and moved or did not.
    """

    found: int = 0
    missed: int = 0
    false: int = 0
    quiet: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))

    @property
    def true_rate(self) -> float | None:
        """The true positives of all cells that had to move; None if there is none."""
        return self.found / planted if (planted := self.found + self.missed) else None

    @property
    def false_rate(self) -> float | None:
        """The false positives of all cells that had to stay; None if there is none."""
        return self.false / sound if (sound := self.false + self.quiet) else None


def count(expected: Moves, moved: Moves, judged: Iterable[str], also: Collection[str] = ()) -> Areas:
    """
    Count the cells of one plant by area.

    Args:
        expected: the checks that must move, with their new verdict.
        moved: those that moved.
        judged: all that were judged.
        also: checks that may move or not; they are not counted.
    """
    found: dict[str, Counts] = {}
    for check in judged:
        if check in also:
            continue
        if check in expected:
            right = moved.get(check) == expected[check]
            one = Counts(found=right, missed=not right)
        else:
            one = Counts(false=check in moved, quiet=check not in moved)
        area = check.partition(".")[0]
        found[area] = found.get(area, Counts()) + one
    return {area: [int(number) for number in astuple(counts)] for area, counts in found.items()}


def table(plants: Iterable[Areas]) -> list[str]:
    """Return the lines of a table of all these plants: one for each area, and one for all."""
    sums: dict[str, Counts] = {}
    for areas in plants:
        for area, numbers in areas.items():
            for name in (area, ALL):
                sums[name] = sums.get(name, Counts()) + Counts(*numbers)
    lines = [f"{'area':10} {'must move':>9} {'moved':>6} {'TPR':>7}   {'must stay':>9} {'moved':>6} {'FPR':>8}"]
    for area in sorted(sums, key=lambda name: (name == ALL, name)):
        one = sums[area]
        lines.append(
            f"{area:10} {one.found + one.missed:9} {one.found:6} {_percent(one.true_rate, 1):>7}   "
            f"{one.false + one.quiet:9} {one.false:6} {_percent(one.false_rate, 3):>8}"
        )
    return lines


def _percent(rate: float | None, digits: int) -> str:
    return "-" if rate is None else f"{100 * rate:.{digits}f}%"
