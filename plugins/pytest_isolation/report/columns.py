"""Fits the columns of a matrix into a terminal's width.

In: the columns' names, the rows' lengths, the width.  Out: frozen `Columns`.  Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MAX_ID = 44
MIN_FIRST = 12
INDENT = 2


@dataclass(frozen=True)
class Columns:
    """
    The layout of a matrix.

    Attributes:
        first: width of the rows' names.
        heads, wide: head and width of each column.
        legend: the names of shortened heads.
        blocks: the columns that are side by side; several blocks if not all fit.
    """

    first: int
    heads: tuple[str, ...]
    wide: tuple[int, ...]
    legend: tuple[str, ...]
    blocks: tuple[range, ...]


def lay_out(names: Sequence[str], rows: Sequence[int], width: int) -> Columns:
    """
    Choose full names if they fit, otherwise distinct short names, otherwise numbers in blocks.

    Args:
        names: heads of the columns.
        rows: lengths of the rows' names.
        width: of the terminal, in characters.
    """
    first = min(max([*rows, MIN_FIRST]), MAX_ID, max(width // 2, MIN_FIRST))
    room = width - first - INDENT
    for limit in (MAX_ID, 16, 12, 10, 8, 6):
        heads = [name[:limit].rstrip("-+/") for name in names]
        wide = [max(len(head), 1) + 2 for head in heads]
        if sum(wide) <= room and len(set(heads)) == len(heads) and all(heads):
            legend = [f"{head} = {name}" for head, name in zip(heads, names, strict=True) if head != name]
            return Columns(first, tuple(heads), tuple(wide), tuple(legend), (range(len(names)),))
    heads = [str(number) for number in range(1, len(names) + 1)]
    each = len(str(len(names))) + 1
    beside = max(room // each, 1)
    blocks = tuple(range(start, min(start + beside, len(names))) for start in range(0, len(names), beside))
    legend = [f"{head} = {name}" for head, name in zip(heads, names, strict=True)]
    return Columns(first, tuple(heads), (each,) * len(heads), tuple(legend), blocks)
