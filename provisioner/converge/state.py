"""Reads the present state of a machine in one round trip.

In: a connection and the roles, which decide what is read.  Out: `Wanted` and `Present`.
Changes nothing on the machine.  Waits for an apply that still runs there.
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
TRIES = 3  # reading changes nothing: it may be repeated
# Without a running apply there is no log: the test starts no process and makes no file.
AWAIT_APPLY = f"""\
if [ -e {LOG} ]; then
  exec 9<{LOCK}
  flock --shared --nonblock 9 || {{ printf '%s\\0' {WAITING}; flock --shared --timeout {WAIT} 9; }}
  exec 9<&-
fi"""
# While the machine boots, a unit that starts soon looks stopped, and a setting that comes later looks changed.
AWAIT_BOOT = f"""\
if [ ! -e {BOOTED} ] && [ -d /run/systemd/system ]; then
  timeout 120 systemctl is-system-running --wait >/dev/null 2>&1
fi"""


@dataclass(frozen=True)
class Wanted:
    """The wanted state of all roles: by the name of each kind, the result of its `collect_wanted`."""

    kinds: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Present:
    """The present state of a machine: by the name of each kind, the result of its `parse_present`."""

    machine: str
    kinds: Mapping[str, Any] = field(default_factory=dict)


def collect_wanted(roles: Sequence[Role], variables: Mapping[str, Scalar]) -> Wanted:
    """
    Merge what the roles want, with all templates rendered.

    Args:
        roles: the roles, as `load_roles` returns them.
        variables: values for the machine, over the defaults of the roles.

    Raises:
        IsolationError: no role has the variable, a template uses an undefined one (the error names the variable, the
            template and the line), or two roles contradict each other.
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
    Read the present state of every resource that the roles name, in one round trip.

    Args:
        connection: the machine.
        roles: the roles, as `load_roles` returns them.
        variables: values for the machine, over the defaults of the roles.

    Raises:
        IsolationError: as `collect_wanted`; or the machine does not answer in time, or its answer is garbled.
    """
    return read_state(connection, collect_wanted(roles, variables))


def read_state(connection: Connection, wanted: Wanted) -> Present:
    """Like `read_present`, for a wanted state that is collected already.  Tries again after a lost connection."""
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
    Return lines of sh that print the state of all kinds: head, name and text of each kind, tail.

    The last kind asks systemd, which is slowest.  It runs in a process of its own while the others are read.
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
    """
    Parse the output of `render_read`'s lines, without their head, into the state.

    Args:
        answer: the output.
        machine: the machine's name.
        wanted: the wanted state that the lines were rendered from.

    Raises:
        IsolationError: the output is not that of these lines.
    """
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
