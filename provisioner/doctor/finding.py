"""Defines the report of the doctor as frozen objects: findings, abilities, and the document that `--json` prints.

The JSON Schema of `Report` is schemas/doctor.schema.json.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from provisioner.errors import one_line

SCHEMA = 1
MAX_TEXT = 400


class State(StrEnum):
    """The state of a thing: works; works with a limitation; is missing or does not work; not known."""

    OK = "ok"
    LIMITED = "limited"
    LACKING = "lacking"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Seen:
    """
    The answer of one look.

    Args:
        state: the state of the thing.
        seen: the observation, in one line.
        cost: what the user cannot do because of it, in one line.
        mend: the command that mends it; "" if there is none.
        note: why there is no command, or further information.
        gives: names of abilities that this makes possible; None for all that its look decides.
    """

    state: State
    seen: str
    cost: str = ""
    mend: str = ""
    note: str = ""
    gives: tuple[str, ...] | None = None


def ok(seen: str, note: str = "") -> Seen:
    """Return that a thing works as it should."""
    return Seen(State.OK, seen, note=note)


def limited(seen: str, cost: str, mend: str = "", note: str = "") -> Seen:
    """Return that a thing works with a limitation."""
    return Seen(State.LIMITED, seen, cost, mend, note)


def lacking(seen: str, cost: str, mend: str = "", note: str = "") -> Seen:
    """Return that a thing is missing, or does not work."""
    return Seen(State.LACKING, seen, cost, mend, note)


def unknown(seen: str, cost: str = "", mend: str = "", note: str = "") -> Seen:
    """Return that the state is not known; this never counts as ok."""
    return Seen(State.UNKNOWN, seen, cost, mend, note)


def short_line(text: str) -> str:
    """Return one printable line of at most MAX_TEXT characters from text of a program or the kernel."""
    line = one_line(" ".join(text.split()))
    return line if len(line) <= MAX_TEXT else line[: MAX_TEXT - 1] + "…"


Line = Annotated[str, AfterValidator(short_line)]


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Finding(_Frozen):
    """
    The result of one look.

    Attributes:
        group: the topic.
        name: the name; unique in its group.
        state: ok, limited, lacking or unknown.
        seen: the observation.
        cost: what the user cannot do because of it; empty if nothing lacks.
        mend: the command that mends it; empty if there is none.
        note: why there is no command, or further information.
        decides: the abilities for which one finding like this one must be ok or limited.
        gives: those of them that this finding makes possible.
        needed_for: the abilities that are impossible without it.
        seconds: the duration of the look.
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
        name: the name for `--require`.
        state: ok, lacking or unknown.
        by: what makes it possible: "docker", "podman+runc".
        reason: why it is lacking or unknown.
        mend: the command that mends it; empty if there is none.
    """

    name: str
    state: State
    by: tuple[str, ...] = ()
    reason: Line = ""
    mend: Line = ""


class Report(_Frozen):
    """The whole document.  `seconds` is the duration of all looks, which run side by side."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    version: str
    user: str
    findings: tuple[Finding, ...]
    abilities: tuple[Ability, ...]
    counts: dict[State, int]
    seconds: float = Field(ge=0)
