"""What must change, and how: the difference between what roles want and what was found.

In: roles, variables, a `Present`.  Out: a `Plan`, or its text.  Called by cli.py and apply.py.  Pure: it reads and
changes nothing, so that the same plan can be shown, tested and applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from provisioner.converge.kinds import Change, Step, find_kinds
from provisioner.converge.role import Role
from provisioner.converge.state import Present, Wanted, collect_wanted
from provisioner.converge.templates import Scalar


@dataclass(frozen=True)
class Plan:
    """
    The way from what was found to what is wanted.

    Attributes:
        machine: its name.
        wanted: what it leads to.
        changes: one for each resource that is not so yet; none when the machine is as wanted.
        steps: what carries them out, in order.
    """

    machine: str
    wanted: Wanted
    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()


def plan_changes(roles: Sequence[Role], variables: Mapping[str, Scalar], present: Present) -> Plan:
    """
    Compare what roles want with what was found.

    Raises:
        IsolationError: a fault in the roles, or something that cannot be made so: a folder where a file must be.
    """
    return plan_wanted(collect_wanted(roles, variables), present)


def plan_wanted(wanted: Wanted, present: Present) -> Plan:
    """Compare; as `plan_changes`, of what was collected before."""
    changes: list[Change] = []
    steps: list[Step] = []
    for kind in find_kinds():
        found = kind.diff_state(wanted.kinds[kind.NAME], present.kinds[kind.NAME], tuple(changes))
        changes += found
        steps += kind.make_steps(wanted.kinds[kind.NAME], found) if found else []
    return Plan(present.machine, wanted, tuple(changes), tuple(sorted(steps, key=lambda step: step.rank)))


def render_diff(plan: Plan) -> list[str]:
    """Return the plan as lines for a terminal; what a machine's files hold cannot steer it."""
    if not plan.changes:
        return [f"{plan.machine}: nothing to change"]
    lines = [f"{plan.machine}: {len(plan.changes)} to change"]
    for change in plan.changes:
        aspects = "; ".join(f"{aspect.what}: {aspect.before} → {aspect.after}" for aspect in change.aspects)
        lines.append(f"  {change.kind} {change.name}: {aspects}")
        lines += [f"    {line}" for line in change.difference]
    return [_printable(line) for line in lines]


def _printable(line: str) -> str:
    return "".join(c if c.isprintable() or c == "\t" else f"\\x{ord(c):02x}" for c in line)
