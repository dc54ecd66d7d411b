"""Builds the results of a run from its cells and records.

In: cells, records, what was left out, the policy.
Out: `Results`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from provisioner.facts.document import Facts
from provisioner.runtimes.locate import EngineSeen
from provisioner.version import own_version
from pytest_isolation.policy.policy import Policy
from pytest_isolation.policy.verdict import Cell, Check
from pytest_isolation.records.record import ATTACHED, Record, TargetInfo
from pytest_isolation.results import model as r
from pytest_isolation.results.limits import figures_of
from pytest_isolation.results.merge import normal
from pytest_isolation.results.networks import network_of
from pytest_isolation.results.notes import notes_of
from pytest_isolation.results.visible import visible_of


def assemble(
    cells: Iterable[Cell],
    records: Iterable[Record],
    skipped: Iterable[r.Skipped],
    policy: Policy,
    settings: Iterable[r.Setting] = (),
    times: Mapping[str, Mapping[str, float]] | None = None,
    beside: Iterable[r.AttachedComparison] = (),
    moved: Iterable[str] = (),
    interrupted: str = "",
    not_judged: Iterable[str] = (),
) -> r.Results:
    """
    Return the results of a run.

    Args:
        cells: the judged checks.
        records: what was observed of each target.
        skipped: what was left out; waivers that cover no cell are added.
        policy: how the verdicts were judged.
        settings: the settings that are not the default.
        times: of a live run, seconds by name for each target.
        beside: how attached sandboxes compare with stock ones.
        moved: what changed outside during a live run, and must not have.
        interrupted: how much was judged before an interrupt; "" if there was none.
        not_judged: which checks of the bundled suite have no verdict though it was run, in lines.
    """
    cells, records = list(cells), list(records)
    unused = [
        r.Skipped(what=waiver.name, reason="the waiver covers no cell", mend="remove it from isolation.yaml")
        for waiver in policy.unused_waivers(cell.waiver for cell in cells)
    ]
    bare = policy.without_reason(record.target.id for record in records)
    if bare:
        lines = f"{bare} accepted line{'s' if bare > 1 else ''} without a reason"
        unused.append(r.Skipped(what="isolation.yaml", reason=lines, mend="fill in `reason:`"))
    looked = [facts.time for record in records if isinstance(facts := record.raw("inside"), Facts)]
    run = r.Run(
        ids=tuple(record.run for record in records),
        started=min(looked, default=None),
        ended=max(looked, default=None),
        tools=(f"pytest-isolation {own_version()}",),
        policies=(str(policy),),
        settings=tuple(settings),
        moved=tuple(moved),
        interrupted=(interrupted,) if interrupted else (),
        not_judged=tuple(not_judged),
    )
    targets = [_target(record, (times or {}).get(record.target.id, {})) for record in records]
    notes = [note for record in records for note in notes_of(record)]
    figures = {(record.target.id, check): one for record in records for check, one in figures_of(record).items()}
    networks = [network for record in records if (network := network_of(record)) is not None]
    visible = [one for record in records for one in visible_of(record)]
    parts = map(_host, records), targets, [*skipped, *unused], beside, notes, figures
    return results_of(cells, run, *parts, networks, visible)


def results_of(
    cells: Iterable[Cell],
    run: r.Run,
    hosts: Iterable[r.Host] = (),
    targets: Iterable[r.Target] = (),
    skipped: Iterable[r.Skipped] = (),
    beside: Iterable[r.AttachedComparison] = (),
    notes: Iterable[r.Note] = (),
    figures: Mapping[tuple[str, str], r.Figures] | None = None,
    networks: Iterable[r.Network] = (),
    visible: Iterable[r.Visible] = (),
) -> r.Results:
    """
    Return the results of these parts.

    Args:
        cells: the judged checks.
        run: the run.
        hosts: the hosts of the targets.
        targets: the columns of the matrix.
        skipped: what was left out.
        beside: how attached sandboxes compare with stock ones.
        notes: known flaws.
        figures: of limits, by target and check.
        networks: who reached whom, where that was tried.
        visible: what sandboxes see of memory and processors.
    """
    listed = list(cells)
    return normal(
        run=run,
        hosts=tuple(hosts),
        targets=tuple(targets),
        checks=tuple(_check(cell.check) for cell in listed),
        cells=tuple(_cell(cell, (figures or {}).get((cell.target, cell.check.id))) for cell in listed),
        skipped=tuple(skipped),
        beside=tuple(beside),
        notes=tuple(notes),
        networks=tuple(networks),
        visible=tuple(visible),
    )


def _check(check: Check) -> r.Check:
    return r.Check.model_validate(
        {
            "id": check.id,
            "version": check.version,
            "severity": check.severity,
            "profile": check.profile if isinstance(check.profile, str) else dict(check.profile),
            "title": check.title,
            "refs": check.refs,
            "gains": check.gains,
            "remedy": check.remedy,
        }
    )


def _cell(cell: Cell, figures: r.Figures | None) -> r.Cell:
    return r.Cell(
        check=cell.check.id,
        version=cell.check.version,
        target=cell.target,
        verdict=cell.verdict,
        judgement=cell.judgement,
        waiver=cell.waiver,
        reason=cell.reason,
        source=cell.source,
        evidence=r.Evidence(inside=cell.inside, outside=cell.outside),
        reproduce=cell.reproduce,
        remedy=cell.remedy,
        figures=figures,
    )


def _host(record: Record) -> r.Host:
    conditions = record.target.conditions
    facts = record.raw("inside" if conditions.elsewhere else "host")
    kernel = facts.system.kernel if isinstance(facts, Facts) and facts.system is not None else None
    return r.Host(
        id=record.target.host,
        kernel=kernel.release if kernel else "",
        arch=kernel.machine if kernel else "",
        cgroup=conditions.cgroup or "",
        lsm=conditions.lsm or "",
        accelerator=conditions.accelerator or "",
        unseen=_why_unseen(record.target),
    )


def _why_unseen(target: TargetInfo) -> str:
    """Say why the host of a target was not observed, with the address of its engine."""
    if not target.conditions.elsewhere:
        return ""
    engine = target.raw("engine")
    by = f" by {engine.by}" if isinstance(engine, EngineSeen) and engine.by else ""
    at = f" ({engine.address}{by})" if isinstance(engine, EngineSeen) and engine.address else ""
    return f"{target.conditions.elsewhere}{at}: nothing was observed from outside"


def _not_asked(target: TargetInfo) -> tuple[str, ...]:
    """Return why checks were not asked of a target that this run did not make as a role says."""
    reasons = sorted(set(target.cannot.values()))
    if target.attached:
        return (ATTACHED, *reasons)
    return tuple(reasons) if target.command or target.boundary == "none" else ()


def _target(record: Record, times: Mapping[str, float]) -> r.Target:
    target = record.target
    return r.Target.model_validate(
        {
            "id": target.id,
            "kind": target.kind,
            "class": target.class_,
            "runtime": target.runtime,
            "host": target.host,
            "versions": target.versions,
            "times": {name: round(seconds, 4) for name, seconds in times.items()},
            "not_asked": _not_asked(target),
        }
    )
