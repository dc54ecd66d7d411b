"""What is fuzzed: one module for each kind of reader, found by walking the package.

facts.py     the probe's answers, archived records and their verdicts, image archives
results.py   results.json, merged and drawn
files.py     the files of roles and users: YAML
journal.py   the journal of a run
frames.py    the channel to a probe
tries.py     tries over the network

A module has `TARGETS`.  A target's function takes bytes and returns, or raises one of `ENDS`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from pkgutil import iter_modules

import pytest

from fuzz.inputs import Sample
from provisioner.errors import IsolationError

ENDS = (IsolationError, pytest.UsageError)


@dataclass(frozen=True)
class Target:
    """
    One reader.

    Attributes:
        name: its name, and that of its folder in corpus/.
        samples: makes sound inputs.
        read: reads bytes as the product does, and does with the result what the product does next.
        few: how many inputs the lane `unit` draws; fewer for a slow one.
    """

    name: str
    samples: Callable[[], tuple[Sample, ...]]
    read: Callable[[bytes], object]
    few: int = 100


def find_targets() -> dict[str, Target]:
    """Return all targets by name."""
    modules = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]
    return {target.name: target for module in modules for target in module.TARGETS}
