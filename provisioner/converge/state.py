"""The present state of a machine, all of it read in one round trip.

In: a connection and what roles want, which says what to look at.  Out: `Wanted` and `Present`.
Called by plan.py's and apply.py's callers.  Changes nothing on the machine; waits for an apply that still runs there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioner.connection.local import Connection
from provisioner.converge.kinds import find_kinds
from provisioner.converge.role import Role, check_variables, effective_variables
from provisioner.converge.script import WAITING, Answer, AnswerEnded
from provisioner.converge.templates import Scalar, Source
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.progress import step

HEAD = "isolation-state 1"
TAIL = "isolation-state-end"
FOLDER = "/run/pytest-isolation"
LOCK = f"{FOLDER}/lock"
LOG = f"{FOLDER}/apply.log"
BOOTED = f"{FOLDER}/booted"
WAIT = 600  # seconds
TRIES = 3  # reading changes nothing, so that it may be repeated
# Where no apply is under way there is no log, and nothing is started or made to find that out.
AWAIT_APPLY = f"""\
if [ -e {LOG} ]; then
  exec 9<{LOCK}
  flock --shared --nonblock 9 || {{ printf '%s\\0' {WAITING}; flock --shared --timeout {WAIT} 9; }}
  exec 9<&-
fi"""
# What still starts at boot would look stopped, and a setting that systemd has yet to make would look changed.
AWAIT_BOOT = f"""\
if [ ! -e {BOOTED} ] && [ -d /run/systemd/system ]; then
  timeout 120 systemctl is-system-running --wait >/dev/null 2>&1
fi"""


@dataclass(frozen=True)
class Wanted:
    """What all roles want together: for each kind's name, what its `collect_wanted` made of it."""

    kinds: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Present:
    """What was found: for each kind's name, what its `parse_present` made of it."""

    machine: str
    kinds: Mapping[str, Any] = field(default_factory=dict)


def collect_wanted(roles: Sequence[Role], variables: Mapping[str, Scalar]) -> Wanted:
    """
    Bring together what roles want, with all templates rendered.

    Raises:
        IsolationError: a variable that no role has, one that is undefined (naming it, the template and the line), or
            two roles that contradict each other.
    """
    check_variables(roles, variables)
    kinds = {}
    for kind in find_kinds():
        sources = [
            Source(role.name, role.resources[kind.NAME], effective_variables(role, variables), role.templates)
            for role in roles
            if kind.NAME in role.resources
        ]
        kinds[kind.NAME] = kind.collect_wanted(sources)
    return Wanted(kinds)


def read_present(connection: Connection, roles: Sequence[Role], variables: Mapping[str, Scalar]) -> Present:
    """
    Read, in one round trip, the state of everything that the roles speak of.

    Raises:
        IsolationError: as `collect_wanted`; the machine does not answer, in time or in order.
    """
    return read_state(connection, collect_wanted(roles, variables))


def read_state(connection: Connection, wanted: Wanted) -> Present:
    """Read; as `read_present`, of what was collected before.  A connection that is lost is tried again."""
    with step(f"read the state of {connection.name}"):
        for left in reversed(range(TRIES)):
            try:
                return _read_once(connection, wanted)
            except AnswerEnded:
                if not left:
                    raise
        raise AssertionError("the last try returns or raises")


def _read_once(connection: Connection, wanted: Wanted) -> Present:
    body = f"{AWAIT_APPLY}\n{AWAIT_BOOT}\n{render_read(wanted)}"
    seconds = deadline("converge.read")
    with Answer(connection, body, f"read the state of '{connection.name}'") as answer:
        answer.expect_turn(HEAD, seconds, f"another apply on {connection.name}", deadline("converge.wait") + seconds)
        present = parse_answer(answer, connection.name, wanted)
        answer.expect_end(seconds)
    return present


def render_read(wanted: Wanted) -> str:
    """
    Return lines of sh that print the state of all kinds: head, then name and text of each, then tail.

    The last kind asks systemd, which takes longest and does so in a process of its own: meanwhile the others are read.
    """
    scripts = {kind.NAME: kind.render_read(wanted.kinds[kind.NAME]) for kind in find_kinds()}
    found = [(name, script) for name, script in scripts.items() if script]
    lines = [f"printf '%s\\0' '{HEAD}'"]
    if found:
        slow = found.pop()
        lines += ["{", _frame(*slow), "} | {"]
        lines += [_frame(name, f"{{\n{script}\n}} </dev/null") for name, script in found]
        lines += ["cat", "}"]
    lines.append(f"printf '%s\\0' '{TAIL}'")
    return "\n".join(lines)


def _frame(name: str, script: str) -> str:
    return f"printf '%s\\0' {name}\n{script}\nprintf '\\0'"


def parse_answer(answer: Answer, machine: str, wanted: Wanted) -> Present:
    """Turn what these lines print after their head into the state; IsolationError where it is not in order."""
    seconds = deadline("converge.read")
    found = {}
    for kind in find_kinds():
        text = ""
        if kind.render_read(wanted.kinds[kind.NAME]):
            answer.expect(kind.NAME, seconds)
            word = answer.word(seconds)
            if word is None:
                raise answer.cut_short()
            text = word
        try:
            found[kind.NAME] = kind.parse_present(text)
        except ValueError as error:
            raise IsolationError(f"cannot read each {kind.NAME} of '{machine}': {error}") from None
    answer.expect(TAIL, seconds)
    return Present(machine, found)
