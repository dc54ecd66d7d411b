"""Applies a plan to a machine in one round trip, and checks that nothing is left to change.

In: a connection and a `Plan`.  Out: `Applied`.  All steps are sent as one script.  Each step reports its end, and the
script ends with a second reading of the state.  An apply is idempotent: a step may run twice, and a file is replaced
whole.  When the connection drops, the current step finishes, no further step starts, and the next apply continues
there.  A lock on the machine admits one apply at a time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from provisioner.connection.local import Connection, last_line
from provisioner.converge.kinds import Fault, Step, find_kinds
from provisioner.converge.plan import Plan, plan_wanted
from provisioner.converge.role import Role
from provisioner.converge.script import WAITING, Answer
from provisioner.converge.state import (
    AWAIT_BOOT,
    BOOTED,
    FOLDER,
    LOCK,
    LOG,
    WAIT,
    collect_wanted,
    parse_answer,
    read_state,
    render_read,
)
from provisioner.converge.state import HEAD as STATE_HEAD
from provisioner.converge.templates import Scalar
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.progress import step

HEAD = "isolation-apply 1"
LOG_TAIL = 8000  # bytes
# A lost connection must not kill dpkg half-way: the script and its children ignore SIGHUP.  Only the script ignores
# SIGPIPE; the steps write to a file.  Descriptor 9 is the lock.  Steps close it, so that no daemon inherits it.
SCRIPT = f"""\
trap '' PIPE HUP
umask 022
mkdir -p {FOLDER} || return
exec 9>{LOCK}
flock --nonblock 9 || {{{{
  printf '%s\\0' {WAITING}
  flock --timeout {WAIT} 9 || {{{{ echo 'another apply still runs there' >&2; return; }}}}
}}}}
log={LOG}
: >"$log" || return
{AWAIT_BOOT}
: >{BOOTED}
printf '%s\\0' '{HEAD}' || return
take() {{{{
  : >"$log"
  ( trap - PIPE; set -e; "step_$1" ) >>"$log" 2>&1 9>&-
  status=$?
  if [ $status -eq 0 ]; then printf '%s\\0' done || exit
  else printf '%s\\0' failed $status "$(tail -c {LOG_TAIL} "$log")"; rm -f "$log"; exit; fi
}}}}
{{steps}}
rm -f "$log"
exec 9>&-
{{read}}"""


@dataclass(frozen=True)
class Taken:
    """One step that ran, and its duration in seconds, measured on this side."""

    title: str
    seconds: float


@dataclass(frozen=True)
class Applied:
    """
    The result of an apply.

    Attributes:
        machine: the machine's name.
        changed: the number of resources that differed from their role.
        steps: the steps that ran, in order.
        seconds: total time; `converge` includes the reading of the state.
        round_trips: the number of requests to the machine.
    """

    machine: str
    changed: int
    steps: tuple[Taken, ...] = ()
    seconds: float = 0.0
    round_trips: int = 0


def converge(connection: Connection, roles: Sequence[Role], variables: Mapping[str, Scalar]) -> Applied:
    """
    Converge a machine to its roles: read its state, compare, apply the difference.

    Args:
        connection: the machine.
        roles: the roles, as `load_roles` returns them.
        variables: values for the machine, over the defaults of the roles.

    Example:
        >>> converge(debian12, load_roles(["docker"]), {}).changed
        7
        >>> converge(debian12, load_roles(["docker"]), {}).changed
        0

    Raises:
        IsolationError: as `read_present`, `plan_changes` and `apply_plan`.
    """
    started = time.monotonic()
    wanted = collect_wanted(roles, variables)
    plan = plan_wanted(wanted, read_state(connection, wanted))
    applied = apply_plan(connection, plan)
    seconds = time.monotonic() - started
    return Applied(applied.machine, applied.changed, applied.steps, seconds, applied.round_trips + 1)


def apply_plan(connection: Connection, plan: Plan) -> Applied:
    """
    Apply a plan.

    Raises:
        IsolationError: a step failed (the error names its object and the machine, and holds the end of its output),
            the connection ended, or a resource still differs although every step succeeded.
    """
    if not plan.changes:
        return Applied(plan.machine, 0)
    started = time.monotonic()
    what = f"apply the plan on '{plan.machine}'"
    with step(f"apply {len(plan.changes)} changes on {plan.machine}"):
        with Answer(connection, render_apply(plan), what) as answer:
            answer.expect_turn(
                HEAD, deadline("converge.step"), f"another apply on {plan.machine}", deadline("converge.wait")
            )
            taken = tuple(_await(answer, one, plan.machine) for one in plan.steps)
            answer.expect(STATE_HEAD, deadline("converge.read"))
            present = parse_answer(answer, plan.machine, plan.wanted)
            answer.expect_end(deadline("converge.read"))
        _expect_nothing_left(plan_wanted(plan.wanted, present))
    return Applied(plan.machine, len(plan.changes), taken, time.monotonic() - started, 1)


def render_apply(plan: Plan) -> str:
    """Return the script: one function per step, called in order, then a second reading of the state."""
    steps = [f"step_{at}() {{\n{one.script}\n}}\ntake {at}" for at, one in enumerate(plan.steps)]
    return SCRIPT.format(steps="\n".join(steps), read=render_read(plan.wanted))


def _await(answer: Answer, one: Step, machine: str) -> Taken:
    started = time.monotonic()
    with step(f"{one.title} on {machine}"):
        word = answer.word(deadline(one.deadline))
        if word is None:
            raise answer.cut_short(one.title)
        if word == "failed":
            status, log = answer.word(10) or "?", answer.word(10) or ""
            raise _failure(one, machine, status, log)
        if word != "done":
            raise answer.garbled(f"'done' was expected, not '{last_line(word.encode())}'")
    return Taken(one.title, time.monotonic() - started)


def _failure(one: Step, machine: str, status: str, log: str) -> IsolationError:
    kind = next(kind for kind in find_kinds() if one.kind == kind.NAME)
    said = last_line(log.encode()) or f"exit status {status}"
    fault = kind.explain_failure(log) or Fault(one.title, said, "run again with -v to see the output")
    return IsolationError(f"cannot {fault.what} on '{machine}': {fault.why}", hint=fault.hint, log=log)


def _expect_nothing_left(plan: Plan) -> None:
    """Raise if the machine has undone a change: every later apply would repeat it."""
    if plan.changes:
        first = plan.changes[0]
        aspect = first.aspects[0]
        more = f" (and {len(plan.changes) - 1} more)" if len(plan.changes) > 1 else ""
        raise IsolationError(
            f"cannot converge {first.kind} '{first.name}' on '{plan.machine}': after the apply,"
            f" {aspect.what} is '{aspect.before}' again{more}",
            hint="another program on the machine undoes it: find and stop it",
        )
