"""One column of the matrix, and what can be said of a runtime before anything is started."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pytest

from provisioner.connection.local import find_program
from provisioner.errors import IsolationError
from provisioner.runtimes.load import load_runtime
from provisioner.runtimes.runtime import MACHINE, Runtime
from provisioner.sandboxes.attached import AttachTarget


@dataclass(frozen=True)
class Target:
    """
    One column of the matrix.

    Attributes:
        id: "docker", "podman+runc", "debian12/docker", "docker:web" for an attached one.
        runtime: what creates its sandboxes.
        host: where the runtime's commands run: "local", or a machine of lab.yaml.
        named: whether the user named it, so that it is an error if it is missing.
        attached: the running sandbox to attach to, None for targets of which we create the sandboxes.
        command: the user's command line that starts its sandboxes; "" for targets that a role describes.
        changed: what was changed of that command line, a phrase for each change.
    """

    id: str
    runtime: Runtime
    host: str
    named: bool
    attached: AttachTarget | None = None
    command: str = ""
    changed: tuple[str, ...] = ()

    @property
    def is_machine(self) -> bool:
        """Whether the host itself is the sandbox."""
        return self.runtime.name == MACHINE


@dataclass(frozen=True)
class Skipped:
    """What was left out, why, and what to do about it."""

    what: str
    reason: str
    mend: str


def load_or_refuse(name: str) -> Runtime:
    """Return a runtime; raises pytest.UsageError if there is none of this name."""
    try:
        return load_runtime(name)
    except IsolationError as error:
        raise pytest.UsageError(str(error)) from None


def lack_of(runtime: Runtime) -> tuple[str, str] | None:
    """Return what is missing on this host and what to do about it, or None; starts nothing."""
    for binary in [*([runtime.binary] if runtime.binary else []), *runtime.needs]:
        if find_program(binary) is None:
            return f"{binary} is not installed", runtime.install
    if runtime.root and os.geteuid() != 0:
        return "it needs root", "run as root"
    return None
