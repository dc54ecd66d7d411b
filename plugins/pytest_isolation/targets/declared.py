"""Makes a command line for each service of a compose file and each container of a pod.

In: `RunOptions` with `--isolation-compose`, `--isolation-service` and `--isolation-pod`.
Out: `RunOptions` with these command lines, and the services that are left out, with reason and remedy.
Reads the files, and starts nothing.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from provisioner.errors import IsolationError
from provisioner.files.free_yaml import read_free_yaml
from provisioner.files.suggest import suggest
from provisioner.runtimes.compose import services_of
from provisioner.runtimes.compose_words import installed_program
from provisioner.runtimes.pod import containers_of
from pytest_isolation.options import RunOptions
from pytest_isolation.targets.named import RUN
from pytest_isolation.targets.target import Skipped

PLAY = "podman kube play"


def with_declared(options: RunOptions) -> tuple[RunOptions, list[Skipped]]:
    """
    Return the options with a command line for each service and container.

    Args:
        options: what the user asked for.

    Raises:
        pytest.UsageError: a file cannot be read, has no such service, or nothing in it can be started.
    """
    for option, files in (("--isolation-compose", options.composes), ("--isolation-pod", options.pods)):
        if not all(files):
            raise pytest.UsageError(f"{option}: it names no file; write {option}=FILE")
    if options.services and not options.composes:
        raise pytest.UsageError("--isolation-service needs --isolation-compose=FILE")
    commands: list[str] = []
    skipped: list[Skipped] = []
    known: list[str] = []
    try:
        for file in options.composes:
            served, left = _services(file, options.services, known)
            commands += served
            skipped += left
    except IsolationError as error:
        raise pytest.UsageError(f"--isolation-compose: {error}") from None
    for name in options.services:
        if name not in known:
            mend = suggest(name, known, f"there are: {', '.join(known)}")
            raise pytest.UsageError(f"--isolation-service: no compose file has the service '{name}'; {mend}")
    try:
        commands += [line for file in options.pods for line in pod_lines(file)]
    except IsolationError as error:
        raise pytest.UsageError(f"--isolation-pod: {error}") from None
    return replace(options, commands=tuple(dict.fromkeys([*options.commands, *commands]))), skipped


def _services(file: str, wanted: Iterable[str], known: list[str]) -> tuple[list[str], list[Skipped]]:
    """Return the command lines of a file's services, and those left out; add all their names to `known`."""
    read_free_yaml(Path(file))  # what is wrong with the file is told first
    program = [*installed_program(), "-f", file]
    lacks = services_of(program)
    known += lacks
    chosen = [name for name in lacks if name in wanted] if wanted else [name for name in lacks if lacks[name] is None]
    if not chosen and not wanted:
        why = "; ".join(f"{name}: {lack[0]} ({lack[1]})" for name, lack in lacks.items() if lack)
        raise IsolationError(f"no service of '{file}' can be started: {why}")
    left = [Skipped(f"{RUN}:{name}", *lack) for name, lack in lacks.items() if lack and not wanted]
    return [f"{name}={shlex.join([*program, 'run', name])}" for name in chosen], left


def service_lines(file: str, service: str | None, name: str) -> list[str]:
    """
    Return the command lines of a target of isolation.yaml.

    Args:
        file: the compose file.
        service: the service, None for each that can be started.
        name: the target's name.

    Raises:
        IsolationError: the file cannot be read.
    """
    if service is not None:
        return [f"{name}={shlex.join([*installed_program(), '-f', file, 'run', service])}"]
    lines, _ = _services(file, (), [])
    return [line if len(lines) > 1 else f"{name}={line.partition('=')[2]}" for line in lines]


def pod_lines(file: str, container: str | None = None, name: str = "") -> list[str]:
    """
    Return the command lines of a pod's containers.

    Args:
        file: the file of the pod.
        container: one container, None for each.
        name: the column's name, "" for that of the container.

    Raises:
        IsolationError: the file cannot be read, or has no pod.
    """
    names = [container] if container else containers_of(file)
    single = name if len(names) == 1 else ""
    return [f"{single or one}={PLAY} {shlex.quote(file)} {shlex.quote(one)}" for one in names]
