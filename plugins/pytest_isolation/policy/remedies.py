"""What mends a check on one runtime, in that runtime's own words: roles/<name>/remedies.yaml.

In: the file, and those of the roles that it names by `like`.  Out: one line for a check on a runtime; where its role
has none, as for a user's own check, the check's general remedy.  Called by judge.py and for the reference.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest
from provisioner.files.yaml import load_yaml
from provisioner.paths import ROLES
from pytest_isolation.policy.expected import CheckId, Line, bundled_ids
from pytest_isolation.policy.verdict import Check

FILE = "remedies.yaml"


def _bundled(name: str) -> str:
    """Refuse an id that no check has: its remedy would be shown nowhere."""
    if name not in bundled_ids():
        raise ValueError("; ".join(filter(None, ["the suite has no such check", suggest(name, bundled_ids())])))
    return name


class NoSetting(BaseModel):
    """The runtime has no setting that mends it: why, and what does instead."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    none: Line


class RemedyFile(BaseModel):
    """The flag or the line of a configuration that mends each check; `like` names a role whose lines count where this
    file has none."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="roles/<name>/remedies.yaml")
    like: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$")] | None = None
    remedies: dict[Annotated[CheckId, AfterValidator(_bundled)], Line | NoSetting] = Field(default_factory=dict)


def remedy_for(check: Check, runtime: str) -> str:
    """
    Return what mends a check on a runtime, in one line.

    Raises:
        IsolationError: the role's remedies.yaml cannot be read.
    """
    return load_remedies(runtime).get(check.id, check.remedy)


@cache
def load_remedies(runtime: str, roles: Path = ROLES) -> Mapping[str, str]:
    """
    Return the remedies of a runtime by check; none for a runtime whose role has no such file.

    Raises:
        IsolationError: with file and line; or `like` names no role with such a file, or leads back to where it began.
    """
    if not (roles / runtime / FILE).exists():
        return {}
    found: dict[str, Line | NoSetting] = {}
    passed: list[str] = []
    name: str | None = runtime
    while name is not None:
        path = roles / name / FILE
        passed.append(name)
        file = _load(path)
        found = {**file.remedies, **found}
        name = file.like
        if name is not None:
            _require(path, name, passed, roles)
    return {check: _tell(remedy, runtime) for check, remedy in found.items()}


@cache
def _load(path: Path) -> RemedyFile:
    return load_yaml(path, RemedyFile)


def _require(path: Path, name: str, passed: list[str], roles: Path) -> None:
    if name in passed:
        raise IsolationError(f"cannot read {path}: like: {name} leads in a circle: {' → '.join([*passed, name])}")
    if not (roles / name / FILE).exists():
        known = sorted(file.parent.name for file in roles.glob(f"*/{FILE}"))
        hint = suggest(name, known, f"there are: {', '.join(known)}")
        raise IsolationError(f"cannot read {path}: like: no role '{name}' has a {FILE}", hint)


def _tell(remedy: Line | NoSetting, runtime: str) -> str:
    return f"{runtime} has no setting for it: {remedy.none}" if isinstance(remedy, NoSetting) else remedy


def remedies_by_runtime(roles: Path = ROLES) -> dict[str, dict[str, str]]:
    """Return for each check its remedies by runtime, of all roles."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(roles.glob(f"*/{FILE}")):
        for check, remedy in load_remedies(path.parent.name, roles).items():
            found.setdefault(check, {})[path.parent.name] = remedy
    return found
