"""Loads roles/<name>/role.yaml and its templates as one frozen object.

In: names of role folders.  Out: `Role`s, each after the roles that it needs, and a hash of their content.
A role is data, not a task language: each kind of resource (resources/) defines the value of its own key.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Self, get_origin

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, create_model, model_validator

from provisioner.converge.kinds import find_kinds
from provisioner.converge.templates import Scalar
from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest, suggest_and_list
from provisioner.files.yaml import load_yaml
from provisioner.role_folders import role_folders

FILE = "role.yaml"
MAX_TEMPLATE = 256 << 10  # bytes

VariableName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,62}$")]
RoleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_.-]{0,62}$")]


class Promise(BaseModel):
    """
    One thing that holds on a converged machine; testinfra checks it.

    Attributes:
        package: the name of a package that is installed.
        service: the name of a unit; `running` and `enabled` are checked if they are given.
        file: the path of a file that exists; `mode`, `owner` and `contains` (a regular expression) are checked.
        sysctl: a key; its value is `value`.
        command: an argument list; it exits with `status` (default 0), and its output matches `contains`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    package: str | None = None
    service: str | None = None
    file: str | None = None
    sysctl: str | None = None
    command: list[str] | None = Field(default=None, min_length=1)
    running: bool | None = None
    enabled: bool | None = None
    mode: Annotated[str, Field(pattern=r"^0[0-7]{3,4}$")] | None = None
    owner: str | None = None
    value: str | int | None = None
    status: int | None = None
    contains: str | None = None

    @model_validator(mode="after")
    def _one_subject(self) -> Self:
        given = self.model_fields_set
        subjects = [name for name in DETAILS if name in given]
        if len(subjects) != 1:
            raise ValueError(f"needs exactly one of {', '.join(DETAILS)}")
        surplus = given - {subjects[0]} - DETAILS[subjects[0]]
        if surplus:
            raise ValueError(f"'{min(surplus)}' says nothing of a {subjects[0]}")
        return self


DETAILS: dict[str, set[str]] = {
    "package": set(),
    "service": {"running", "enabled"},
    "file": {"mode", "owner", "contains"},
    "sysctl": {"value"},
    "command": {"status", "contains"},
}


class RoleFile(BaseModel):
    """role.yaml without the keys of the kinds of resources; `role_model` adds these."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    needs: list[RoleName] = []
    variables: dict[VariableName, Scalar] = {}
    verify: list[Promise] = []


@dataclass(frozen=True)
class Role:
    """
    One role.

    Attributes:
        name: the name of its folder.
        needs: the roles that are applied before it.
        variables: default values for its templates.
        resources: the value of each kind's key in role.yaml, by the name of the kind.
        templates: the texts below templates/, by file name.
        verify: what holds on a machine that has the role.
    """

    name: str
    needs: tuple[str, ...] = ()
    variables: Mapping[str, Scalar] = field(default_factory=dict)
    resources: Mapping[str, Any] = field(default_factory=dict)
    templates: Mapping[str, str] = field(default_factory=dict, repr=False)
    verify: tuple[Promise, ...] = ()


@functools.cache
def role_model(known: tuple[str, ...] = ()) -> type[RoleFile]:
    """
    Return the model of role.yaml: its own keys, and one for each kind of resource.

    Args:
        known: the roles that it may need; empty allows any.
    """

    def check_known(name: str) -> str:
        if known and name not in known:
            raise ValueError(", ".join(filter(None, [f"no such role '{name}'", suggest(name, known)])))
        return name

    fields: dict[str, Any] = {"needs": (list[Annotated[RoleName, AfterValidator(check_known)]], [])}
    for kind in find_kinds():
        empty = dict if get_origin(kind.FIELD) is dict else list
        fields[kind.KEY] = (kind.FIELD, Field(default_factory=empty))
    return create_model("RoleDocument", __base__=RoleFile, **fields)


def load_roles(names: Sequence[str], roles: Path | None = None) -> tuple[Role, ...]:
    """
    Load roles and the roles that they need.

    Args:
        names: names of role folders.
        roles: the only folder of roles to look in; None: a user's own ones, then the packaged one.

    Returns:
        Each role once, after the roles that it needs.

    Raises:
        IsolationError: no such role, roles that need each other, or a fault in a file (with file, line, nearest key).
    """
    loaded: dict[str, Role] = {}

    def add(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " → ".join((*path[path.index(name) :], name))
            raise IsolationError(f"cannot load role '{name}': the roles need each other: {circle}")
        if name not in loaded:
            role = load_role(name, roles)
            for needed in role.needs:
                add(needed, (*path, name))
            loaded[name] = role

    for name in names:
        add(name, ())
    return tuple(loaded.values())


def load_role(name: str, roles: Path | None = None) -> Role:
    """Load one role without the roles that it needs; raises as `load_roles`."""
    folders = role_folders(FILE, roles)
    known = list(folders)
    if name not in known:
        listed = f"there are: {', '.join(known) or 'none'}"
        raise IsolationError(f"cannot find role '{name}'", hint=suggest_and_list(name, known, listed))
    file = load_yaml(folders[name] / FILE, role_model(tuple(known)))
    return Role(
        name,
        tuple(file.needs),
        file.variables,
        {kind.NAME: getattr(file, kind.KEY) for kind in find_kinds()},
        _load_templates(folders[name] / "templates"),
        tuple(file.verify),
    )


def _load_templates(folder: Path) -> dict[str, str]:
    """Read all templates, because they may include each other."""
    texts = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        try:
            if path.stat().st_size > MAX_TEMPLATE:
                raise IsolationError(f"cannot read '{path}': more than {MAX_TEMPLATE >> 10} KiB")
            texts[path.relative_to(folder).as_posix()] = path.read_text("utf-8")
        except OSError as error:
            raise IsolationError(f"cannot read '{path}': {error.strerror}") from None
        except UnicodeDecodeError:
            raise IsolationError(f"cannot read '{path}': not UTF-8") from None
    return texts


def effective_variables(role: Role, variables: Mapping[str, Scalar]) -> dict[str, Scalar]:
    """Return a role's variables: its defaults, replaced by the values for the machine."""
    return {**role.variables, **{name: value for name, value in variables.items() if name in role.variables}}


def check_variables(roles: Sequence[Role], variables: Mapping[str, Scalar]) -> None:
    """Raise IsolationError for a variable that no role has; the hint names the nearest one."""
    known = sorted({name for role in roles for name in role.variables})
    for name in variables:
        if name not in known:
            listed = f"known: {', '.join(known)}" if known else "none of the roles has variables"
            raise IsolationError(
                f"cannot set variable '{name}': no role here has it",
                hint=suggest(name, known, listed),
            )


def roles_hash(roles: Sequence[Role], variables: Mapping[str, Scalar]) -> str:
    """Return 16 hex digits that change with everything that the roles do to a machine."""
    document = [
        {
            "name": role.name,
            "needs": role.needs,
            "variables": effective_variables(role, variables),
            "resources": {name: _plain(items) for name, items in role.resources.items()},
            "templates": role.templates,
        }
        for role in roles
    ]
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
