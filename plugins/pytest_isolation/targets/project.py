"""Adds the targets of isolation.yaml to what the user asked for.

In: `RunOptions` and the targets of the file.  Out: `RunOptions` with their command lines and images.  Starts nothing.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from provisioner.errors import IsolationError
from provisioner.files.suggest import suggest
from pytest_isolation.options import LOCAL, RunOptions
from pytest_isolation.policy.isolation_file import TargetSpec
from pytest_isolation.targets.declared import pod_lines, service_lines

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def with_targets(options: RunOptions, targets: Mapping[str, TargetSpec]) -> RunOptions:
    """
    Return the options with the command lines and images of the file's targets.

    `--isolation=container` without a runtime runs all of them, instead of the installed container runtimes.
    `--isolation-run=NAME` runs one.

    Args:
        options: what the user asked for.
        targets: the targets of isolation.yaml, by name.

    Raises:
        pytest.UsageError: `--isolation-run` names none of them.
    """
    if not targets:
        return options
    named = [_named(text, targets) for text in options.commands]
    commands = [text for text in named if text not in targets]
    chosen = [text for text in named if text in targets]
    every = not (
        options.only_named or options.runtimes or "container" not in options.kinds or LOCAL not in options.hosts
    )
    names = tuple(targets) if every else tuple(dict.fromkeys(chosen))
    lines = [line for name in names for line in _lines(name, targets[name], options)]
    images = [f"{name}={targets[name].image}" for name in names if targets[name].image]
    return replace(
        options,
        commands=(*lines, *commands),
        images=(*images, *options.images),
        targets=names if every else (),
        sources=(*options.sources, ("isolation_targets", "isolation.yaml")) if every else options.sources,
    )


def _lines(name: str, target: TargetSpec, options: RunOptions) -> list[str]:
    """Return the command lines of a target; paths count from the folder of the file that names it."""
    try:
        if target.compose is not None:
            return service_lines(_path(target.compose, options), target.service, name)
        if target.pod is not None:
            return pod_lines(_path(target.pod, options), target.container, name)
    except IsolationError as error:
        raise pytest.UsageError(f"the target '{name}' of isolation.yaml: {error}") from None
    return [f"{name}={target.run}"] if target.run else []


def _path(text: str, options: RunOptions) -> str:
    file = options.waivers or options.pyproject
    return os.path.relpath(file.parent / text) if file is not None else text


def _named(text: str, targets: Mapping[str, TargetSpec]) -> str:
    """Return the text of --isolation-run; raise pytest.UsageError for a lone name that is no target."""
    if NAME.fullmatch(text) and text not in targets:
        mend = suggest(text, targets, f"there are: {', '.join(targets)}")
        raise pytest.UsageError(f"--isolation-run: isolation.yaml has no target '{text}'; {mend}")
    return text
