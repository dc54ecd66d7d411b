"""Findings that are accepted until a day: the key `waivers` of isolation.yaml.

Out: frozen `Waiver`s.  Judges nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime
from fnmatch import fnmatchcase

from pydantic import BaseModel, ConfigDict, Field, field_validator

from provisioner.errors import IsolationError
from pytest_isolation.policy.expected import CheckId, Line

MAX_DAYS = 366


class Waiver(BaseModel):
    """One finding that is accepted until a day, inclusive, in UTC."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    check: CheckId
    target: Line = Field(description="a glob over target ids, such as 'debian12/*'")
    reason: Line
    owner: Line
    until: date

    @field_validator("target")
    @classmethod
    def _is_narrow(cls, value: str) -> str:
        if not any(character.isalnum() for character in value) and value != "*":
            raise ValueError("should be a target's id or a glob over ids, such as 'docker*'")
        return value

    @property
    def name(self) -> str:
        """The name that cells and reports use."""
        return f"{self.check} on {self.target} until {self.until.isoformat()}"

    def covers(self, check: str, target: str) -> bool:
        """Whether it covers this check on this target, expired or not."""
        return check == self.check and fnmatchcase(target, self.target)

    def days_expired(self, today: date) -> int:
        """Return how many days ago it ended; 0 or less if it is still valid."""
        return (today - self.until).days


def check_days(waivers: Iterable[Waiver], where: str, today: date | None = None) -> None:
    """
    Refuse a waiver that lasts more than a year.

    Args:
        waivers: the waivers of one file.
        where: the file, for the error.
        today: the day to count from; None: today in UTC.

    Raises:
        IsolationError: one does.
    """
    now = today or datetime.now(UTC).date()
    for waiver in waivers:
        if (waiver.until - now).days > MAX_DAYS:
            raise IsolationError(
                f"{where}: the waiver '{waiver.name}' lasts more than a year",
                hint="choose a day within a year from today; it can be renewed then",
            )
