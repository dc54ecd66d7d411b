"""The report of the doctor as frozen objects: findings, abilities, and the document that `--json` prints.

In: what looks return.  Out: `Report`, whose JSON Schema is schemas/doctor.schema.json.  Called all over
provisioner/doctor.  Draws nothing, looks at nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

SCHEMA = 1
MAX_TEXT = 400


class State(StrEnum):
    """How a thing stands: there; there with a price; not there; could not be told."""

    OK = "ok"
    LIMITED = "limited"
    LACKING = "lacking"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Seen:
    """
    What one look returns.

    Args:
        state: how it stands.
        seen: what was seen, in one line.
        cost: what the lack costs the user, in one line.
        mend: the one command that mends it; "" when there is none.
        note: why there is no command, or what else is to know about it.
        gives: names of abilities that this makes real; None for all that its look decides.
    """

    state: State
    seen: str
    cost: str = ""
    mend: str = ""
    note: str = ""
    gives: tuple[str, ...] | None = None


def ok(seen: str, note: str = "") -> Seen:
    """Return that a thing is there as it should be."""
    return Seen(State.OK, seen, note=note)


def limited(seen: str, cost: str, mend: str = "", note: str = "") -> Seen:
    """Return that a thing works at a price."""
    return Seen(State.LIMITED, seen, cost, mend, note)


def lacking(seen: str, cost: str, mend: str = "", note: str = "") -> Seen:
    """Return that a thing is not there, or does not work."""
    return Seen(State.LACKING, seen, cost, mend, note)


def unknown(seen: str, cost: str = "", mend: str = "", note: str = "") -> Seen:
    """Return that it could not be told; never a form of ok."""
    return Seen(State.UNKNOWN, seen, cost, mend, note)


def one_line(text: str) -> str:
    """Make one bounded, printable line of what a program or the kernel may have said."""
    line = " ".join(text.split())
    line = "".join(letter if letter.isprintable() else "?" for letter in line)
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


Line = Annotated[str, AfterValidator(one_line)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Finding(_Frozen):
    """
    What one look found.

    Attributes:
        group: the topic.
        name: unique in its group.
        state: ok, limited, lacking or unknown.
        seen: what was seen.
        cost: what the lack costs; empty when nothing lacks.
        mend: one command; empty when there is none.
        note: why there is none, or what else is to know.
        decides: the abilities that depend on this finding or one like it.
        gives: those of them that it makes real.
        needed_for: the abilities that are impossible without it.
        seconds: how long the look took.
    """

    group: str
    name: str
    state: State
    seen: Line
    cost: Line = ""
    mend: Line = ""
    note: Line = ""
    decides: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    needed_for: tuple[str, ...] = ()
    seconds: float = Field(default=0.0, ge=0)


class Ability(_Frozen):
    """
    Whether one kind of run is possible here: "container", "vm", "lab", or a runtime's name.

    Attributes:
        name: what `--require` takes.
        state: ok, lacking or unknown.
        by: what makes it possible: "docker", "podman+runc".
        reason: why it is not.
        mend: one command.
    """

    name: str
    state: State
    by: tuple[str, ...] = ()
    reason: Line = ""
    mend: Line = ""


class Report(_Frozen):
    """The whole document.  `seconds` is the time of all looks together, side by side."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    version: str
    user: str
    findings: tuple[Finding, ...]
    abilities: tuple[Ability, ...]
    counts: dict[State, int]
    seconds: float = Field(ge=0)
