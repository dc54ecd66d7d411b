"""Joins the results of several runs.

In: `Results`, or lists of their parts.
Out: `Results`.  Merging is associative, commutative and idempotent, so files may be joined in any order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from pytest_isolation.policy.verdict import RANKS
from pytest_isolation.results import model as r

P = TypeVar("P", bound=r.Part)


def merge(first: r.Results, second: r.Results) -> r.Results:
    """
    Join two results.  Of two parts with the same key one is kept: of cells the worse, of others by a fixed order.

    merge(a, b) == merge(b, a); merge(a, merge(b, c)) == merge(merge(a, b), c); merge(a, a) == a.
    """
    one, two = first.run, second.run
    run = r.Run(
        ids=one.ids + two.ids,
        started=min((t for t in (one.started, two.started) if t is not None), default=None),
        ended=max((t for t in (one.ended, two.ended) if t is not None), default=None),
        tools=one.tools + two.tools,
        policies=one.policies + two.policies,
        settings=one.settings + two.settings,
        moved=one.moved + two.moved,
        interrupted=one.interrupted + two.interrupted,
        not_judged=one.not_judged + two.not_judged,
    )
    return normal(
        run=run,
        hosts=first.hosts + second.hosts,
        targets=first.targets + second.targets,
        checks=first.checks + second.checks,
        cells=first.cells + second.cells,
        skipped=first.skipped + second.skipped,
        beside=first.beside + second.beside,
        notes=first.notes + second.notes,
        networks=first.networks + second.networks,
        visible=first.visible + second.visible,
    )


def normal(
    run: r.Run,
    hosts: tuple[r.Host, ...],
    targets: tuple[r.Target, ...],
    checks: tuple[r.Check, ...],
    cells: tuple[r.Cell, ...],
    skipped: tuple[r.Skipped, ...],
    beside: tuple[r.AttachedComparison, ...] = (),
    notes: tuple[r.Note, ...] = (),
    networks: tuple[r.Network, ...] = (),
    visible: tuple[r.Visible, ...] = (),
) -> r.Results:
    """Return results with these parts sorted, one for each key, so that equal results are equal bytes."""
    return r.Results(
        run=run.model_copy(
            update={
                "ids": tuple(sorted(set(run.ids))),
                "tools": tuple(sorted(set(run.tools))),
                "policies": tuple(sorted(set(run.policies))),
                "settings": _union(run.settings, _text),
                "moved": tuple(sorted(set(run.moved))),
                "interrupted": tuple(sorted(set(run.interrupted))),
                "not_judged": tuple(sorted(set(run.not_judged))),
            }
        ),
        hosts=_union(hosts, lambda host: host.id),
        targets=_union(targets, lambda target: (target.kind, target.id)),
        checks=_union(checks, lambda check: (check.id, check.version)),
        cells=_union(cells, lambda cell: (cell.check, cell.version, cell.target)),
        skipped=_union(skipped, _text),
        beside=_union(beside, lambda one: one.target),
        notes=_union(notes, lambda note: (note.target, note.known, note.component)),
        networks=_union(networks, lambda network: network.target),
        visible=_union(visible, lambda one: (one.target, one.resource)),
    )


def _union(parts: Iterable[P], key: Callable[[P], Any]) -> tuple[P, ...]:
    """Keep one part for each key, the greatest of a total order, so that the order of the parts does not count."""
    found: dict[Any, P] = {}
    for part in parts:
        other = found.get(key(part))
        if other is None or _weight(part) > _weight(other):
            found[key(part)] = part
    return tuple(found[name] for name in sorted(found))


def _weight(part: r.Part) -> tuple[int, str]:
    return (RANKS.index(part.judgement) if isinstance(part, r.Cell) else 0, _text(part))


def _text(part: r.Part) -> str:
    return part.model_dump_json(by_alias=True)
