"""The figures of limits: from the loads of a record to the cells of their checks, and as a table.

In: a `Record`, or `Results`.  Out: `Figures` by check; rows of text.  Needs no sandbox.
"""

from __future__ import annotations

import dataclasses

from provisioner.limits.document import Load
from provisioner.limits.figures import show_overshoot
from provisioner.limits.limit import find_limits
from pytest_isolation.records.record import Record
from pytest_isolation.results.model import Cell, Figures, Results

HEADINGS = ("LIMIT", "TARGET", "ALLOTTED", "INSIDE", "OUTSIDE", "MEASURED", "OVERSHOOT", "VERDICT", "SET BY")
AREA = "lim."  # the check of a limit is named by it: lim.memory


def figures_of(record: Record) -> dict[str, Figures]:
    """Return the figures of each limit that was put under load, by the id of its check."""
    found: dict[str, Figures] = {}
    for limit in find_limits():
        load = record.loads.root.get(limit.name)
        if isinstance(load, Load) and not load.refused:
            found[AREA + limit.name] = Figures.model_validate(dataclasses.asdict(limit.measured(load)))
    return found


def limit_cells(results: Results) -> list[Cell]:
    """Return the cells of checks of limits that were put under load, or refused, by check and target."""
    checks = {AREA + limit.name: limit.rank for limit in find_limits()}
    cells = [one for one in results.cells if one.figures or (one.check in checks and one.verdict != "not_applicable")]
    return sorted(cells, key=lambda one: (checks.get(one.check, len(checks)), one.check, one.target))


def table_rows(results: Results) -> list[tuple[str, ...]]:
    """Return a row of HEADINGS for each limit on each target; what was not observed is "-"."""
    return [_row(cell) for cell in limit_cells(results)]


def _row(cell: Cell) -> tuple[str, ...]:
    figures = cell.figures
    if figures is None:
        return (cell.check, cell.target, *["-"] * 5, str(cell.verdict), cell.reason)
    amounts = (figures.allotted, figures.inside, figures.outside, figures.measured)
    shown = ("-" if amount is None else show_amount(cell.check, figures, amount) for amount in amounts)
    overshoot = show_overshoot(figures.overshoot) or "-"
    return (cell.check, cell.target, *shown, overshoot, str(cell.verdict), figures.set_by)


def show_amount(check: str, figures: Figures, amount: float) -> str:
    """Return an amount with its unit, as the limit itself shows it: "64MiB"."""
    limit = next((one for one in find_limits() if AREA + one.name == check), None)
    return limit.show_amount(amount) if limit else f"{amount:g} {figures.unit}"


def lines_of_limits(results: Results) -> list[str]:
    """Return a line for each limit that was put under load: "lim.cpu on docker: quota 0.5 processors, used …"."""
    return [f"{cell.check} on {cell.target}: {cell.figures.text}" for cell in limit_cells(results) if cell.figures]
