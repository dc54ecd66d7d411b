"""Adds the targets of isolation.yaml to what the user asked for.

In: `RunOptions` and the targets of the file.  Out: `RunOptions` with their command lines.  Starts nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

import pytest

from provisioner.files.suggest import suggest
from pytest_isolation.options import LOCAL, RunOptions
from pytest_isolation.policy.isolation_file import TargetSpec

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")


def with_targets(options: RunOptions, targets: Mapping[str, TargetSpec]) -> RunOptions:
    """
    Return the options with the command lines of the file's targets.

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
    lines = {name: f"{name}={spec.run}" for name, spec in targets.items()}
    commands = [_line_of(text, lines) for text in options.commands]
    if options.only_named or options.runtimes or "container" not in options.kinds or LOCAL not in options.hosts:
        return replace(options, commands=tuple(dict.fromkeys(commands)))
    return replace(
        options,
        commands=tuple(dict.fromkeys([*lines.values(), *commands])),
        targets=tuple(targets),
        sources=(*options.sources, ("isolation_targets", "isolation.yaml")),
    )


def _line_of(text: str, lines: Mapping[str, str]) -> str:
    """Return the command line of a target that is named alone; any other text is a command line already."""
    if not NAME.fullmatch(text):
        return text
    if text not in lines:
        mend = suggest(text, lines, f"there are: {', '.join(lines)}")
        raise pytest.UsageError(f"--isolation-run: isolation.yaml has no target '{text}'; {mend}")
    return lines[text]
