"""What fixes a finding on one runtime, and shows it, in that runtime's terms: roles/<name>/remedies.yaml.

In: the file, and those of the roles that it names by `like`.
Out: one line for a finding on a runtime, by its cause; the check's general line if the role has none.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, StringConstraints, Tag

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest
from provisioner.files.yaml import load_yaml
from provisioner.role_folders import role_folders, role_roots
from pytest_isolation.policy.conditions import Conditions
from pytest_isolation.policy.expected import CheckId, Line, When, bundled_ids
from pytest_isolation.policy.verdict import Check

FILE = "remedies.yaml"
NOTE = "    # "
# what shows that a command is not for the inside alone
_ELSEWHERE = re.compile(r"on the host|\binside\b|before|DIR/|IMAGE|configuration")


def _bundled(name: str) -> str:
    """Refuse an id that no check has."""
    if name not in bundled_ids():
        raise ValueError("; ".join(filter(None, ["the suite has no such check", suggest(name, bundled_ids())])))
    return name


class NoSetting(BaseModel):
    """The runtime has no setting that fixes it: the reason, and what helps instead."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    none: Line


class Case(BaseModel):
    """
    What fixes a wall that is open for one cause.

    Attributes:
        verdict: the verdict that it is for: "ignored" for a limit that was given and is not in force.
        because: a part of the check's reason.
        when: the conditions of the target, as in expected.yaml.
        remedy: what fixes it then.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    verdict: Literal["open", "unknown", "ignored", "refused"] | None = None
    because: Line | None = None
    when: When = When()
    remedy: Line | NoSetting

    def fits(self, verdict: str, reason: str, conditions: Conditions) -> bool:
        """Whether it is for this cause."""
        return self.verdict in (None, verdict) and (self.because or "") in reason and self.when.fits(conditions)

    @property
    def condition(self) -> str:
        """The cause that it is for, as text; "" if it is for any."""
        named = [self.verdict or "", f"“{self.because}”" if self.because else ""]
        named += [f"{key} {value}" for key, value in self.when.model_dump().items() if value]
        return ", ".join(filter(None, named))


def _with_a_last(cases: list[Case]) -> list[Case]:
    """Refuse cases that leave a cause without a remedy."""
    if cases[-1].condition:
        raise ValueError("the last remedy must be for any other cause: it has no verdict, because or when")
    return cases


def _shape(value: Any) -> str:
    return "cases" if isinstance(value, list) else "none" if isinstance(value, dict | NoSetting) else "line"


Remedy = Annotated[
    Annotated[Line, Tag("line")]
    | Annotated[NoSetting, Tag("none")]
    | Annotated[list[Case], Field(min_length=1), AfterValidator(_with_a_last), Tag("cases")],
    Discriminator(_shape),
]
Role = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=100)]
Bundled = Annotated[CheckId, AfterValidator(_bundled)]


class RemedyFile(BaseModel):
    """
    What fixes and shows each check on a runtime; `like` names a role that adds the lines that this file lacks.

    Attributes:
        like: the other role.
        enter: the command that runs another one inside: "docker exec NAME".
        pid: the command that shows the sandbox's (or the hypervisor's) process on the host.
        remedies: the flag or configuration line that fixes each check, or a list of them by cause.
        reproduce: the commands that show a check, where the check's own do not fit the runtime.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="roles/<name>/remedies.yaml")
    like: Role | None = None
    enter: Line | None = None
    pid: Line | None = None
    remedies: dict[Bundled, Remedy] = Field(default_factory=dict)
    reproduce: dict[Bundled, Line] = Field(default_factory=dict)


def remedy_for(check: Check, runtime: str, verdict: str, reason: str, conditions: Conditions) -> str:
    """
    Return what fixes a finding on a runtime, in one line.

    Args:
        check: the check.
        runtime: name of the runtime.
        verdict: the verdict.
        reason: its reason.
        conditions: the target's conditions.

    Raises:
        IsolationError: the role's remedies.yaml cannot be read.
    """
    cases = cases_of(load_remedies(runtime).remedies.get(check.id, check.remedy))
    fitting = next(case for case in cases if case.fits(verdict, reason, conditions))
    return _tell(fitting.remedy, runtime)


def reproduce_for(check: Check, runtime: str) -> str:
    """
    Return a command that shows a check without this tool, and how to run it on a runtime.

    Raises:
        IsolationError: the role's remedies.yaml cannot be read.
    """
    if check.id not in bundled_ids():
        return check.reproduce  # a user's own command may be for any place
    file = load_remedies(runtime)
    command, _, note = file.reproduce.get(check.id, check.reproduce).partition(NOTE)
    if file.enter and "inside" in note:
        note = note.replace("inside", f"inside ({file.enter})", 1)
    elif file.enter and not _ELSEWHERE.search(f"{command} {note}"):
        note = f"{note}; inside: {file.enter}" if note else f"inside: {file.enter}"
    if file.pid and re.search(r"\bPID\b", f"{command} {note}"):
        note = f"{note}; PID: {file.pid}" if note else f"PID: {file.pid}"
    return f"{command}{NOTE}{note}" if note else command


def cases_of(remedy: str | NoSetting | list[Case]) -> list[Case]:
    """Return a remedy as a list by cause."""
    # a user's check may have any text as its remedy
    return remedy if isinstance(remedy, list) else [Case.model_construct(remedy=remedy)]


def load_remedies(runtime: str, roles: Path | None = None) -> RemedyFile:
    """
    Return the remedies of a runtime, with those of the roles that it is like; none if its role has no such file.

    Args:
        runtime: name of the runtime.
        roles: the only folder of roles to look in; None: a user's own ones, then the packaged one.

    Raises:
        IsolationError: with file and line; or `like` names no role with such a file, or leads in a circle.
    """
    return _join_remedies(runtime, (roles,) if roles is not None else tuple(role_roots()))


@cache
def _join_remedies(runtime: str, roots: tuple[Path, ...]) -> RemedyFile:
    found = RemedyFile()
    folders = role_folders(FILE, *roots)
    if runtime not in folders:
        return found
    passed: list[str] = []
    name: str | None = runtime
    while name is not None:
        path = folders[name] / FILE
        passed.append(name)
        file = _load(path)
        found = RemedyFile.model_construct(
            enter=found.enter or file.enter,
            pid=found.pid or file.pid,
            remedies={**file.remedies, **found.remedies},
            reproduce={**file.reproduce, **found.reproduce},
        )
        name = file.like
        if name is not None:
            _require(path, name, passed, folders)
    return found


@cache
def _load(path: Path) -> RemedyFile:
    return load_yaml(path, RemedyFile)


def _require(path: Path, name: str, passed: list[str], known: Collection[str]) -> None:
    if name in passed:
        raise IsolationError(f"cannot read {path}: like: {name} leads in a circle: {' → '.join([*passed, name])}")
    if name not in known:
        hint = suggest(name, known, f"there are: {', '.join(known)}")
        raise IsolationError(f"cannot read {path}: like: no role '{name}' has a {FILE}", hint)


def _tell(remedy: Line | NoSetting, runtime: str) -> str:
    return f"{runtime} has no setting for it: {remedy.none}" if isinstance(remedy, NoSetting) else remedy


def _tell_all(cases: list[Case], runtime: str) -> str:
    """Return a remedy for each cause, the one for any other cause last."""
    *named, last = cases
    texts = [f"if {case.condition}: {_tell(case.remedy, runtime)}" for case in named]
    return "; ".join([*texts, f"{'otherwise: ' if named else ''}{_tell(last.remedy, runtime)}"])


def remedies_by_runtime(roles: Path | None = None) -> dict[str, dict[str, str]]:
    """Return the remedies of all roles, by check and runtime, those by cause in one line."""
    found: dict[str, dict[str, str]] = {}
    for runtime in role_folders(FILE, roles):
        for check, remedy in load_remedies(runtime, roles).remedies.items():
            found.setdefault(check, {})[runtime] = _tell_all(cases_of(remedy), runtime)
    return found
