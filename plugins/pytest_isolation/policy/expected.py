"""What a runtime documents as open: roles/<name>/expected.yaml.

In: the file.  Out: a frozen `Expected`, and its entry that fits the conditions of a target.  Judges nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, RootModel, StringConstraints, Tag, field_validator

from provisioner.errors import IsolationError
from provisioner.files.suggest import nearest, suggest
from provisioner.files.yaml import Fault, load_yaml
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.versions import in_range, is_range

CheckId = Annotated[str, StringConstraints(pattern=r"^[a-z0-9_]+(\.[a-z0-9_]+)+$")]
Line = Annotated[str, StringConstraints(min_length=1, max_length=300, pattern=r"^[^\x00-\x1f\x7f]+$")]
SUITE = Path(__file__).resolve().parents[1] / "suite"
_MARKED = re.compile(r'mark\.isolation\(\s*"([a-z0-9_.]+)"')


class When(BaseModel):
    """The conditions of an exception; a target must meet all of them."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    variant: Line | None = None
    cgroup: Literal["v1", "v2"] | None = None
    version: Line | None = None
    kernel: Line | None = None
    lsm: Line | None = None
    user: Literal["root", "other"] | None = None
    provider: Line | None = None  # of a machine, as in lab.yaml
    sys_admin: Literal["yes", "no"] | None = None  # whether the runtime's commands may make namespaces
    option: Line | None = None
    by_user: Literal["yes"] | None = (
        None  # whether the user started it, or its command line is theirs: nothing is asked of it
    )
    # the host's own settings, which no runtime makes
    ptrace_scope: Literal["0"] | None = None
    smt: Literal["on"] | None = None
    flaws: Literal["open", "unknown"] | None = None
    # names in the environment of the runtime's commands; some runtimes pass all of them on
    env_more: Literal["yes"] | None = None
    env_proxies: Literal["yes"] | None = None
    env_secrets: Literal["yes"] | None = None

    @field_validator("version", "kernel")
    @classmethod
    def _is_range(cls, value: str | None) -> str | None:
        if value and not is_range(value):
            raise ValueError("should be a range such as '>=20.10,<29'")
        return value

    def fits(self, conditions: Conditions) -> bool:
        """Whether a target with these conditions meets them; an unobserved condition is not met."""
        for key, wanted in self.model_dump(exclude_none=True).items():
            given = getattr(conditions, key)
            if given is None or not (in_range(given, wanted) if key in ("version", "kernel") else given == wanted):
                return False
        return True

    def unread(self, conditions: Conditions) -> list[str]:
        """Return the conditions that decide and that could not be read; none if another one is not met."""
        wanted = self.model_dump(exclude_none=True)
        unread = [key for key in wanted if conditions.is_unread(key)]
        return unread if When(**{key: wanted[key] for key in wanted if key not in unread}).fits(conditions) else []


class Documented(BaseModel):
    """
    A wall that the runtime documents as open, or that cannot be observed there.

    `because` restricts the exception to some reasons of the check; any other reason is a finding.
    In it "…" stands for any text without a semicolon.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    verdict: Literal["open", "unknown", "ignored"]
    because: Line | Annotated[list[Line], Field(min_length=1)] | None = None
    source: Line
    when: When = When()

    def covers(self, verdict: str, reason: str) -> bool:
        """Whether the exception documents this verdict with this reason."""
        named = [self.because] if isinstance(self.because, str) else self.because
        return self.verdict == verdict and (named is None or any(_pattern(one).fullmatch(reason) for one in named))


@cache
def _pattern(because: str) -> re.Pattern[str]:
    return re.compile("[^;]*".join(map(re.escape, because.split("…"))))


def _shape(value: Any) -> str:
    return "many" if isinstance(value, list) else "one"


Entries = Annotated[
    Annotated[Documented, Tag("one")] | Annotated[Annotated[list[Documented], Field(min_length=1)], Tag("many")],
    Discriminator(_shape),
]


class Expected(RootModel[dict[CheckId, Entries]]):
    """The documented exceptions of one runtime, by check; every other check must hold."""

    model_config = ConfigDict(frozen=True, strict=True, title="roles/<name>/expected.yaml")

    def find(self, check: str, conditions: Conditions, verdict: str = "", reason: str = "") -> Documented | None:
        """
        Return the entry for a check that documents what was observed, otherwise the first for such a target.

        Args:
            check: id of the check.
            conditions: the target's conditions, which the entry's `when` must fit.
            verdict: the verdict.
            reason: its reason.
        """
        entries = self.root.get(check, [])
        fitting = [
            entry for entry in (entries if isinstance(entries, list) else [entries]) if entry.when.fits(conditions)
        ]
        first = fitting[0] if fitting else None
        return next((entry for entry in fitting if entry.covers(verdict, reason)), first)

    def undecided(self, check: str, conditions: Conditions, verdict: str, reason: str) -> tuple[Documented, str] | None:
        """
        Return the entry that documents what was observed if its conditions are met, where they could not be read.

        Args:
            check: id of the check.
            conditions: the target's conditions.
            verdict: the verdict.
            reason: its reason.

        Returns:
            The entry and the conditions in words; None if there is no such entry.
        """
        entries = self.root.get(check, [])
        for entry in entries if isinstance(entries, list) else [entries]:
            unread = entry.when.unread(conditions)
            if unread and entry.covers(verdict, reason):
                return entry, " and ".join(unread)
        return None


def load_expected(path: Path) -> Expected:
    """
    Read an expected.yaml.

    Raises:
        IsolationError: the file is wrong; names file, line and nearest key.
    """
    return load_yaml(path, Expected, _unknown_checks)


def _unknown_checks(expected: Expected) -> Iterable[Fault]:
    """Find the ids that are nearly those of bundled checks; others may be those of a user's own checks."""
    for check in expected.root:
        near = None if check in bundled_ids() else nearest(check, bundled_ids(), 0.85)
        if near is not None:
            yield Fault((check,), "there is no such check", f"did you mean '{near}'?")


class OwnExpected(RootModel[dict[str, Expected]]):
    """The file isolation-expected.yaml: documented exceptions of a user's own checks, by runtime."""

    model_config = ConfigDict(frozen=True, strict=True, title="isolation-expected.yaml")


def load_own_expected(path: Path, runtimes: Iterable[str]) -> Mapping[str, Expected]:
    """
    Read the documented exceptions of a user's own checks.

    Args:
        path: the file.
        runtimes: the names that it may use.

    Raises:
        IsolationError: the file is wrong, names an unknown runtime, or names a check of the bundled suite: the
            exceptions of those are in its roles, and a waiver accepts others until a day.
    """
    found: dict[str, Expected] = load_yaml(path, OwnExpected).root
    known, bundled = sorted(runtimes), bundled_ids()
    for runtime, expected in found.items():
        if runtime not in known:
            hint = suggest(runtime, known, f"there are: {', '.join(known)}")
            raise IsolationError(f"cannot read {path}: there is no runtime '{runtime}'", hint)
        for check in expected.root:
            if check in bundled:
                raise IsolationError(
                    f"cannot read {path}: '{check}' is a check of the bundled suite", "waive it in isolation.yaml"
                )
    return found


@cache
def bundled_ids() -> frozenset[str]:
    """
    Return the ids of the bundled suite, read from its text: pytest must import the modules first, to rewrite their
    asserts.
    """
    texts = [path.read_text("utf-8") for path in SUITE.rglob("test_*.py")]
    return frozenset(found for text in texts for found in _MARKED.findall(text))


def join_expected(first: Mapping[str, Expected], second: Mapping[str, Expected]) -> dict[str, Expected]:
    """Return the exceptions of both; the second replaces the first for the same check."""
    names = [*first, *(name for name in second if name not in first)]
    empty = Expected({})
    return {name: Expected({**first.get(name, empty).root, **second.get(name, empty).root}) for name in names}
