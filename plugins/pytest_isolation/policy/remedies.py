"""What fixes a finding on one runtime, in that runtime's terms: roles/<name>/remedies.yaml.

In: the file, and those of the roles that it names by `like`.
Out: one line for a check on a runtime; the check's general remedy if the role has none.
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
    """Refuse an id that no check has."""
    if name not in bundled_ids():
        raise ValueError("; ".join(filter(None, ["the suite has no such check", suggest(name, bundled_ids())])))
    return name


class NoSetting(BaseModel):
    """The runtime has no setting that fixes it: the reason, and what helps instead."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    none: Line


class RemedyFile(BaseModel):
    """
    The flag or configuration line that fixes each check; `like` names a role that adds the lines that this file lacks.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, title="roles/<name>/remedies.yaml")
    like: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]*$", max_length=100)] | None = None
    remedies: dict[Annotated[CheckId, AfterValidator(_bundled)], Line | NoSetting] = Field(default_factory=dict)


def remedy_for(check: Check, runtime: str) -> str:
    """
    Return what fixes a check on a runtime, in one line.

    Raises:
        IsolationError: the role's remedies.yaml cannot be read.
    """
    return load_remedies(runtime).get(check.id, check.remedy)


@cache
def load_remedies(runtime: str, roles: Path = ROLES) -> Mapping[str, str]:
    """
    Return the remedies of a runtime by check; none if its role has no such file.

    Args:
        runtime: name of the runtime.
        roles: folder of the roles.

    Raises:
        IsolationError: with file and line; or `like` names no role with such a file, or leads in a circle.
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
    """Return the remedies of all roles, by check and runtime."""
    found: dict[str, dict[str, str]] = {}
    for path in sorted(roles.glob(f"*/{FILE}")):
        for check, remedy in load_remedies(path.parent.name, roles).items():
            found.setdefault(check, {})[path.parent.name] = remedy
    return found
