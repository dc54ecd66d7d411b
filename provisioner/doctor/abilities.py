"""Decides from findings what can run here: a container, a VM, the lab, each runtime; checks `--require`.

In: findings.  Out: `Ability` objects, and a line for each required ability that is missing.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from provisioner.doctor.finding import Ability, Finding, Report, State
from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest_and_list

KINDS = ("container", "vm", "lab")
REASONS = 3  # at most, in one line


def judge_abilities(findings: Sequence[Finding]) -> tuple[Ability, ...]:
    """
    Return the abilities, the kinds first.

    An ability is ok if nothing that it needs is lacking and, if findings decide about it, one of them gives it.
    """
    names = dict.fromkeys(KINDS)
    for finding in findings:
        names.update(dict.fromkeys((*finding.decides, *finding.gives, *finding.needed_for)))
    return tuple(_judge(name, findings) for name in names)


def _judge(name: str, findings: Sequence[Finding]) -> Ability:
    needs = [finding for finding in findings if name in finding.needed_for]
    missing = [finding for finding in needs if finding.state in (State.LACKING, State.UNKNOWN)]
    givers = [finding for finding in findings if name in finding.gives]
    deciders = [finding for finding in findings if name in finding.decides]
    if not missing and (givers or (needs and not deciders)):
        return Ability(name=name, state=State.OK, by=tuple(dict.fromkeys(_giver(one) for one in givers or needs)))
    failed = missing or deciders
    if not failed:
        return Ability(name=name, state=State.LACKING, reason="no runtime here makes one")
    lacks = [finding for finding in failed if finding.state != State.UNKNOWN]
    # An unknown need makes the ability unknown only if no need is known to lack; an unknown decider always does.
    certain = bool(lacks) if missing else len(lacks) == len(failed)
    told = (lacks or failed) if certain or missing else [one for one in failed if one.state == State.UNKNOWN]
    reasons = [finding.seen if finding.name == name else f"{finding.name}: {finding.seen}" for finding in told]
    reason = "; ".join(reasons[:REASONS] + ([f"and {len(reasons) - REASONS} more"] if len(reasons) > REASONS else []))
    mend = next((finding.mend for finding in told if finding.mend), "")
    return Ability(name=name, state=State.LACKING if certain else State.UNKNOWN, reason=reason, mend=mend)


def _giver(finding: Finding) -> str:
    """Return the name that a run would use: a finding 'podman' may give 'podman+runc'."""
    return next((given for given in finding.gives if given.partition("+")[0] == finding.name), finding.name)


def parse_required(texts: Iterable[str]) -> tuple[str, ...]:
    """
    Return the names in `--require` options, each once; commas separate names, blanks are ignored.

    Raises:
        IsolationError: a name is neither a kind nor a runtime; the hint names the nearest.
    """
    from provisioner.runtimes.load import load_runtime, runtime_names

    names = tuple(dict.fromkeys(name.strip() for text in texts for name in text.split(",") if name.strip()))
    for name in names:
        if name in KINDS:
            continue
        try:
            runtime = load_runtime(name)
        except IsolationError:
            if name.partition("+")[0] in runtime_names():
                raise  # the runtime is known, its option is not; the error names the nearest
            known = [*KINDS, *runtime_names()]
            hint = suggest_and_list(name, known, f"there are: {', '.join(known)}")
            raise IsolationError(f"cannot require '{name}': no such kind or runtime", hint) from None
        if runtime.binary is None:
            raise IsolationError(f"cannot require '{name}': it needs no program, so it always runs")
    return names


def unmet(report: Report, required: Iterable[str]) -> list[str]:
    """Return one line for each required ability that is lacking or unknown here."""
    lines = []
    known = {ability.name: ability for ability in report.abilities}
    for name in required:
        ability = known.get(name) or Ability(name=name, state=State.UNKNOWN, reason="no look decides about it")
        if ability.state != State.OK:
            what = "cannot run" if ability.state == State.LACKING else "cannot tell whether this machine runs"
            lines.append(f"{what} '{name}': {ability.reason}" + (f"; {ability.mend}" if ability.mend else ""))
    return lines
