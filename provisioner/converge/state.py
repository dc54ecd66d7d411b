"""The present state of a machine, all of it read in one round trip.

In: a connection and what roles want, which says what to look at.  Out: `Wanted` and `Present`.
Called by plan.py's and apply.py's callers.  Changes nothing on the machine; waits for an apply that still runs there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioner.connection import Connection
from provisioner.converge.kinds import find_kinds
from provisioner.converge.role import Role, check_variables, effective_variables
from provisioner.converge.script import Answer
from provisioner.converge.templates import Scalar, Source
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.progress import step

HEAD = "isolation-state 1"
TAIL = "isolation-state-end"
LOCK = "/run/lock/pytest-isolation.converge"
WAIT = 600  # seconds
# a machine on which nothing was ever applied has no such file, and gets none here
WAIT_FOR_APPLY = f"if [ -e {LOCK} ]; then exec 9<{LOCK}; flock --shared --timeout {WAIT} 9; exec 9<&-; fi"


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
    wanted = collect_wanted(roles, variables)
    what = f"read the state of '{connection.name}'"
    body = f"{WAIT_FOR_APPLY}\n{render_read(wanted)}"
    with step(f"read the state of {connection.name}"), Answer(connection, body, what) as answer:
        present = parse_answer(answer, connection.name, wanted)
        answer.expect_end(deadline("converge.read"))
    return present


def render_read(wanted: Wanted) -> str:
    """Return lines of sh that print the state of all kinds: head, then name and text of each, then tail."""
    lines = [f"printf '%s\\0' '{HEAD}'"]
    for kind in find_kinds():
        script = kind.render_read(wanted.kinds[kind.NAME])
        if script:
            # $( ) drops what text cannot hold: NUL, and newlines at the end
            lines.append(f"text=$(\n{script}\n)\nprintf '%s\\0' {kind.NAME} \"$text\"")
    lines.append(f"printf '%s\\0' '{TAIL}'")
    return "\n".join(lines)


def parse_answer(answer: Answer, machine: str, wanted: Wanted) -> Present:
    """Turn what these lines print into the state; IsolationError where it is cut short or not in order."""
    seconds = deadline("converge.read")
    answer.expect(HEAD, seconds)
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
