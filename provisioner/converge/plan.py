"""Computes the plan: the difference between the state that roles want and the present state.

In: roles, variables, a `Present`.  Out: a `Plan`, or its text.  Pure: the same plan can be shown, tested and applied.
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
    The changes that lead from the present state to the wanted state.

    Attributes:
        machine: the machine's name.
        wanted: the wanted state.
        changes: one for each resource that differs; empty if the machine is as wanted.
        steps: the steps that make the changes, in order.
    """

    machine: str
    wanted: Wanted
    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()


def plan_changes(roles: Sequence[Role], variables: Mapping[str, Scalar], present: Present) -> Plan:
    """
    Compare the state that roles want with the present state.

    Args:
        roles: the roles, as `load_roles` returns them.
        variables: values for the machine, over the defaults of the roles.
        present: the state of the machine.

    Raises:
        IsolationError: a fault in the roles, or an impossible change: a folder is where a file must be.
    """
    return plan_wanted(collect_wanted(roles, variables), present)


def plan_wanted(wanted: Wanted, present: Present) -> Plan:
    """Like `plan_changes`, for a wanted state that is collected already."""
    changes: list[Change] = []
    steps: list[Step] = []
    for kind in find_kinds():
        found = kind.diff_state(wanted.kinds[kind.NAME], present.kinds[kind.NAME], tuple(changes))
        changes += found
        steps += kind.make_steps(wanted.kinds[kind.NAME], found) if found else []
    return Plan(present.machine, wanted, tuple(changes), tuple(sorted(steps, key=lambda step: step.rank)))


def render_diff(plan: Plan) -> list[str]:
    """Return the plan as lines for a terminal; control characters from the machine's files are escaped."""
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
