"""What sandboxes see of memory and processors beside what they may use.

In: a `Record`, or `Results`.  Out: parts of results; rows of text.  Needs no sandbox.
No verdict: runtimes show the host's amounts, and none of them bounds anything by showing less (decision 41).
"""

from __future__ import annotations

from collections.abc import Iterator

from provisioner.errors import UnobservedFact
from provisioner.facts.document import Facts
from provisioner.limits.document import Load
from provisioner.limits.limit import limit_named
from provisioner.limits.visible import READERS, Resource, Visible, readings
from provisioner.sandboxes.visible import visible_in
from pytest_isolation.records.record import Record
from pytest_isolation.results import model as r

# the limits of each resource; their loads know what a sandbox with limits sees
LIMITS: dict[Resource, tuple[str, ...]] = {"memory": ("memory",), "processors": ("cpu", "cpuset")}
MIB = 1 << 20


def visible_of(record: Record) -> Iterator[r.Visible]:
    """Yield what the target's sandbox sees of each resource: one with limits, or else the one without."""
    host = record.raw("host")
    system = host.system if isinstance(host, Facts) else None
    for resource, names in LIMITS.items():
        loads = [load for name in names if isinstance(load := record.loads.root.get(name), Load)]
        limited = next((load for load in loads if isinstance(load.raw("visible"), Visible)), None)
        inside = record.raw("inside")
        seen = limited.visible if limited else visible_in(inside) if isinstance(inside, Facts) else None
        if seen is None or not (shown := readings(seen, resource)):
            continue
        total = system.raw("memory_total" if resource == "memory" else "cpus") if system else None
        usable = [*_bounds(record, limited, resource), total]
        yield r.Visible(
            target=record.target.id,
            resource=resource,
            unit=limit_named(names[0]).unit,
            usable=min((amount for amount in usable if isinstance(amount, int | float)), default=None),
            shown=dict(shown),
            lxcfs=tuple(served) if isinstance(served := seen.raw("lxcfs"), list) else (),
        )


def _bounds(record: Record, limited: Load | None, resource: Resource) -> Iterator[float | None]:
    """Yield the amount of each limit of the resource that the host shows, and a VM's own."""
    if record.target.kind == "vm":
        yield limited.limit if limited else None
        return
    outside = record.raw("outside")
    files = limited.raw("shown") if limited else outside.limits if isinstance(outside, Facts) else None
    for name in LIMITS[resource]:
        try:
            yield limit_named(name).declared(files) if files is not None else None
        except UnobservedFact:
            yield None


def visible_tables(results: r.Results) -> Iterator[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Yield headings and rows for each resource, one row for each target; what was not observed is "-"."""
    for resource, names in READERS.items():
        seen = [one for one in results.visible if one.resource == resource]
        headings = ("TARGET", "MAY USE", *names, "LXCFS")
        rows = [_row(one, names) for one in seen]
        if rows:
            yield headings, rows


def _row(one: r.Visible, names: tuple[str, ...]) -> tuple[str, ...]:
    cells = (_cell(one, name) for name in names)
    return (one.target, _show(one.resource, one.usable), *cells, ", ".join(one.lxcfs) or "-")


def _cell(one: r.Visible, name: str) -> str:
    if name not in one.shown:
        return "-"
    amount = one.shown[name]
    return "no limit" if amount is None else _show(one.resource, amount)


def _show(resource: str, amount: float | None) -> str:
    if amount is None:
        return "-"
    return f"{amount / MIB:.0f}MiB" if resource == "memory" else f"{round(amount, 3):g}"
