"""Which targets a run has: kind × runtime × host, from options, YAML and a look at PATH.

In: `Asked`.  Out: `Target`s, and what was left out with its reason and mend.
Called by plugin.py when it collects.  Starts nothing: pool.py tries what is listed here.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

from provisioner.connection import find_program
from provisioner.errors import IsolationError
from provisioner.sandboxes.runtime import Runtime, load_runtime, runtime_names
from pytest_isolation.options import KINDS, Asked

SELF = "self"


@dataclass(frozen=True)
class Target:
    """One column of the matrix.  `named`: the user asked for it by name, so that its lack is an error."""

    id: str
    runtime: Runtime
    host: str
    named: bool


@dataclass(frozen=True)
class Skipped:
    """What did not run, why, and what would mend it."""

    what: str
    reason: str
    mend: str


def select_targets(asked: Asked) -> tuple[list[Target], list[Skipped]]:
    """
    List the targets of a run.

    Raises:
        pytest.UsageError: a runtime that is unknown, of another kind than asked for, or named and not installed.
    """
    required = [name for name in asked.required if name not in KINDS]
    names = [*asked.runtimes, *(name for name in required if name not in asked.runtimes)]
    skipped: list[Skipped] = []
    targets = [_named(name, asked) for name in names]
    if not asked.runtimes:
        for name in runtime_names():
            if name in required or name == SELF:
                continue
            runtime = _load(name)
            lack = _lack(runtime)
            if runtime.kind not in asked.kinds:
                continue
            if lack:
                skipped.append(Skipped(name, *lack))
            else:
                targets.append(Target(name, runtime, "local", named=False))
    order = {kind: at for at, kind in enumerate(asked.kinds)}
    targets.sort(key=lambda target: (order[target.runtime.kind], names.index(target.id) if target.named else 0))
    return targets, skipped


def instead_of(target: Target, option: str) -> Target:
    """Return the same target with an option of its runtime, for a runtime whose default does not start here."""
    name = f"{target.id}+{option}"
    return Target(name, _load(name), target.host, target.named)


def _named(name: str, asked: Asked) -> Target:
    runtime = _load(name)
    if runtime.kind not in asked.kinds:
        raise pytest.UsageError(
            f"'{name}' makes sandboxes of the kind {runtime.kind}; ask for --isolation={runtime.kind}"
        )
    lack = _lack(runtime)
    if lack:
        raise pytest.UsageError(f"cannot run '{name}': {lack[0]}; {lack[1]}")
    return Target(name, runtime, "local", named=True)


def _load(name: str) -> Runtime:
    try:
        return load_runtime(name)
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None


def _lack(runtime: Runtime) -> tuple[str, str] | None:
    """Say what is missing on this host before anything is started, and its mend."""
    for binary in [*([runtime.binary] if runtime.binary else []), *runtime.needs]:
        if find_program(binary) is None:
            return f"{binary} is not installed", runtime.install
    if runtime.root and os.geteuid() != 0:
        return "it needs root", "run as root"
    return None
