"""Loads roles/<name>/runtime.yaml, with the changes of an option or a variant."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest_and_list
from provisioner.files.yaml import load_yaml
from provisioner.limits.limit import limit_names
from provisioner.role_folders import role_folders
from provisioner.runtimes.check_templates import find_faults
from provisioner.runtimes.runtime import MACHINE, Runtime

FILE = "runtime.yaml"


def runtime_names(roles: Path | None = None) -> list[str]:
    """Return the names of the roles with a runtime.yaml, sorted, without MACHINE."""
    return [name for name in role_folders(FILE, roles) if name != MACHINE]


def load_runtime(name: str, roles: Path | None = None) -> Runtime:
    """
    Load a runtime.

    Args:
        name: "docker", with an option "podman+runc", with a variant "podman-rootless".
        roles: the only folder of roles to look in; None: a user's own ones, then the packaged one.

    Raises:
        IsolationError: there is no such runtime, option or variant (the hint names the nearest), or the file has a
            fault (the error names file, line and the nearest key).
    """
    base, _, option = name.partition("+")
    folder, variant = _folder_of(base, roles)
    runtime = load_yaml(role_folders(FILE, roles)[folder] / FILE, Runtime, find_faults)
    assert isinstance(runtime, Runtime)
    conditions = {"variant": variant or "default", "option": option or "default"}
    for kind, known, wanted in (("variant", runtime.variants, variant), ("option", runtime.options, option)):
        if wanted:
            if wanted not in known:
                raise IsolationError(
                    f"cannot find {kind} '{wanted}' of runtime '{folder}'", hint=_nearest(wanted, known)
                )
            runtime = overlay(runtime, known[wanted], f"{folder}/runtime.yaml: {kind} {wanted}")
    cannot = dict(runtime.cannot)
    for limit in limit_names():
        if limit not in runtime.limits:
            cannot.setdefault(f"limits.{limit}", f"'{folder}' has no such limit")
    return runtime.model_copy(
        update={"name": folder, "conditions": {**runtime.conditions, **conditions}, "cannot": cannot}
    )


def overlay(runtime: Runtime, changes: Mapping[str, Any], where: str) -> Runtime:
    """
    Return the runtime with changed keys.

    Args:
        runtime: the runtime.
        changes: new values by key; a key that ends with "+" extends the list or map.
        where: the place of the changes, for errors.

    Raises:
        IsolationError: a value does not fit its key.
    """
    data = runtime.model_dump(by_alias=True)
    for key, value in changes.items():
        plain = key.removesuffix("+")
        if key.endswith("+"):
            value = _extended(copy.deepcopy(data.get(plain)), value, f"{where}.{key}")
        data[plain] = value
    try:
        return Runtime.model_validate(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = f"{where}.{'.'.join(str(part) for part in first['loc'])}"
        raise IsolationError(f"cannot read {where}: {first['msg']}") from None


def _extended(old: Any, more: Any, where: str) -> Any:
    if isinstance(old, dict | None) and isinstance(more, dict):
        return {**(old or {}), **more}
    if isinstance(old, list | None) and isinstance(more, list):
        return [*(old or []), *more]
    raise IsolationError(f"cannot read {where}: only a list can extend a list, and a map a map")


def _folder_of(base: str, roles: Path | None) -> tuple[str, str]:
    names = runtime_names(roles)
    if base in (*names, MACHINE):
        return base, ""
    folder, dash, variant = base.rpartition("-")
    if dash and folder in names:
        return folder, variant
    raise IsolationError(f"cannot find runtime '{base}'", hint=_nearest(base, names))


def _nearest(word: str, known: Sequence[str] | Mapping[str, Any]) -> str:
    return suggest_and_list(word, known, f"there are: {', '.join(sorted(known)) or 'none'}")
