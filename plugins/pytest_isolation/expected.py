"""What a runtime documents to be open: roles/<name>/expected.yaml.

In: the file.  Out: a frozen `Expected`, and the entry of it that fits the conditions of a target.
Called by policy.py.  Judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, RootModel, StringConstraints, Tag, field_validator

from provisioner.yaml import load_yaml

CheckId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
_BOUND = re.compile(r"(>=|<=|>|<|==|!=)\s*([0-9]+(?:\.[0-9]+)*)")


class When(BaseModel):
    """The conditions under which the exception counts; all of those named must be met."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    variant: Line | None = None
    cgroup: Literal["v1", "v2"] | None = None
    version: Line | None = None
    lsm: Line | None = None
    user: Literal["root", "other"] | None = None
    provider: Line | None = None  # of a machine, as lab.yaml names it
    sys_admin: Literal["yes", "no"] | None = None  # whether the runtime's commands may make namespaces
    option: Line | None = None

    @field_validator("version")
    @classmethod
    def _is_range(cls, value: str | None) -> str | None:
        for part in (value or "").split(",") if value else ():
            if not _BOUND.fullmatch(part.strip()):
                raise ValueError("should be a range such as '>=20.10,<29'")
        return value

    def fits(self, conditions: Mapping[str, str]) -> bool:
        """Whether a target with these conditions meets them; a condition that nobody observed is not met."""
        for key, wanted in self.model_dump(exclude_none=True).items():
            given = conditions.get(key)
            if given is None or not (in_range(given, wanted) if key == "version" else given == wanted):
                return False
        return True


class Documented(BaseModel):
    """One wall that the runtime documents not to hold, or that cannot be observed there."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    verdict: Literal["open", "unknown", "ignored"]
    source: Line
    when: When = When()


def _shape(value: Any) -> str:
    return "many" if isinstance(value, list) else "one"


Entries = Annotated[
    Annotated[Documented, Tag("one")] | Annotated[Annotated[list[Documented], Field(min_length=1)], Tag("many")],
    Discriminator(_shape),
]


class Expected(RootModel[dict[CheckId, Entries]]):
    """The documented exceptions of one runtime, by check; all else is expected to hold."""

    model_config = ConfigDict(frozen=True, strict=True, title="roles/<name>/expected.yaml")

    def find(self, check: str, conditions: Mapping[str, str]) -> Documented | None:
        """Return the first entry for `check` whose conditions the target meets."""
        entries = self.root.get(check, [])
        for entry in entries if isinstance(entries, list) else [entries]:
            if entry.when.fits(conditions):
                return entry
        return None


def load_expected(path: Path) -> Expected:
    """Read an expected.yaml; raises IsolationError with file, line and nearest key."""
    return load_yaml(path, Expected)


def in_range(version: str, wanted: str) -> bool:
    """Whether "20.10.24+dfsg1" lies in ">=20.10,<29", comparing the leading numbers only."""
    numbers = _numbers(version)
    return bool(numbers) and all(_meets(numbers, part.strip()) for part in wanted.split(","))


def _numbers(version: str) -> tuple[int, ...]:
    match = re.match(r"v?([0-9]+(?:\.[0-9]+)*)", version)
    return tuple(int(part) for part in match[1].split(".")) if match else ()


def _meets(numbers: tuple[int, ...], bound: str) -> bool:
    match = _BOUND.fullmatch(bound)
    if match is None:
        return False
    other = _numbers(match[2])
    width = max(len(numbers), len(other))
    left, right = (part + (0,) * (width - len(part)) for part in (numbers, other))
    return {
        ">=": left >= right,
        "<=": left <= right,
        ">": left > right,
        "<": left < right,
        "==": left == right,
        "!=": left != right,
    }[match[1]]
