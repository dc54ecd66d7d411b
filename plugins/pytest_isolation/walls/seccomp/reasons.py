"""The class of every system call: harmless, guarded by a capability, or an opening of the kernel without one.

In: reasons.yaml beside this file.  Out: `Reason` by call, and the `Question`s that a check asks a filter.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, RootModel

from provisioner.files.yaml import load_yaml
from pytest_isolation.walls.seccomp.bpf import ANY, Arguments, Bits, Value

TABLE = Path(__file__).with_name("reasons.yaml")
HALF, WHOLE = 0xFFFFFFFF, 0xFFFFFFFFFFFFFFFF
ARGUMENTS = 6  # of a system call: struct seccomp_data
LONG = ("clone", "unshare")  # their flags are a long: clone ignores its upper half, unshare refuses one


class Class(StrEnum):
    """What stands between a call and the host if no filter refuses it."""

    HARMLESS = "harmless"
    CAPABILITY = "capability"
    SURFACE = "surface"


class Reason(BaseModel):
    """
    The class of some calls, why, and where that is written.

    Attributes:
        needs: names of the capabilities, one of which the kernel demands, without "CAP_".
        arguments: the arguments that count, by name, each by position, None for any; empty: all.
        flags: whether these values are flags, beside which others may be set.
        never: the bits that no valid value of such flags has.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    class_: Class = Field(alias="class")
    calls: list[str]
    needs: list[str] = []
    arguments: dict[str, list[int | None]] = {}
    flags: bool = False
    never: int = 0
    why: str
    source: str


class _Table(RootModel[list[Reason]]):
    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True)
class Question:
    """
    A call that a filter should refuse, with the arguments that count.

    Attributes:
        call: name of the call.
        arguments: names of the arguments that count: "CLONE_NEWUSER"; "" for any.
        args: these arguments; None: any.
        upper_of: the question that this one asks again with any upper halves of the arguments.  The kernel ignores
            those of an int, and a rule that refuses a value compares all 64 bits (seccomp(2)).
    """

    call: str
    arguments: str = ""
    args: Arguments = None
    upper_of: Question | None = None

    @property
    def label(self) -> str:
        """The call as reports name it: "bpf", "clone(CLONE_NEWUSER)"."""
        return f"{self.call}({self.arguments})" if self.arguments else self.call


@cache
def reasons() -> Mapping[str, Reason]:
    """Return the reason of each call."""
    rows = load_yaml(TABLE, _Table).root
    return MappingProxyType({call: row for row in rows for call in row.calls})


@cache
def questions() -> tuple[Question, ...]:
    """Return the questions about all calls that are not harmless, in the order of their names."""
    found: list[Question] = []
    for call, row in sorted(reasons().items()):
        if row.class_ is Class.HARMLESS:
            continue
        if not row.arguments:
            found.append(Question(call))
        for name, values in row.arguments.items():
            question = Question(call, name, _arguments(row, values, upper=call == "clone"))
            found.append(question)
            if call not in LONG:
                found.append(Question(call, f"{name} | upper bits", _arguments(row, values, upper=True), question))
    return tuple(found)


def _arguments(row: Reason, values: list[int | None], upper: bool) -> Arguments:
    """Return all arguments of a question; with `upper` the upper halves may be anything."""
    known = WHOLE & ~HALF if not upper else 0

    def one(value: int | None) -> Value:
        if value is None:
            return ANY
        return Bits(value, known | (value | row.never if row.flags else HALF))

    return tuple(one(value) for value in [*values, *[None] * (ARGUMENTS - len(values))])
