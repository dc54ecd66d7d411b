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

TABLE = Path(__file__).with_name("reasons.yaml")
Arguments = tuple[int, ...] | None


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
        arguments: the values of the first argument that count, by name; empty: all.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    class_: Class = Field(alias="class")
    calls: list[str]
    needs: list[str] = []
    arguments: dict[str, int] = {}
    why: str
    source: str


class _Table(RootModel[list[Reason]]):
    model_config = ConfigDict(frozen=True)


@dataclass(frozen=True)
class Question:
    """
    A call that a filter should refuse, with the arguments that count; None: any.

    Attributes:
        label: as reports name it: "bpf", "clone(CLONE_NEWUSER)".
    """

    label: str
    call: str
    args: Arguments = None


@cache
def reasons() -> Mapping[str, Reason]:
    """Return the reason of each call."""
    rows = load_yaml(TABLE, _Table).root
    return MappingProxyType({call: row for row in rows for call in row.calls})


@cache
def questions() -> tuple[Question, ...]:
    """Return the questions about all calls that are not harmless, in the order of their names."""
    found = []
    for call, row in sorted(reasons().items()):
        if row.class_ is Class.HARMLESS:
            continue
        if not row.arguments:
            found.append(Question(call, call))
        found += [Question(f"{call}({name})", call, (value,)) for name, value in row.arguments.items()]
    return tuple(found)
