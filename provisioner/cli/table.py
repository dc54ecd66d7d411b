"""Prints a table: columns under headings, with colours on a terminal, plain text elsewhere.

In: headings and rows of text.  Out: lines on standard output.  Rich honours NO_COLOR and TERM.  Into a file or a pipe
no line is wrapped.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

STYLES = {
    "running": "green",
    "halted": "yellow",
    "absent": "dim",
    "failed": "red",
    "unknown": "magenta",
    "holds": "green",
}


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows under headings; cells that are known states are coloured."""
    console = Console(highlight=False)
    if not console.is_terminal:
        widths = [max(len(row[at]) for row in (headings, *rows)) for at in range(len(headings))]
        for row in (headings, *rows):
            print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell, style=STYLES.get(cell, "")) for cell in row))
    console.print(table)
