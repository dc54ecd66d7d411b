"""Further facts of the sound records of facts_factory, one module for each area, found by walking the package.

A module has `complete(document, name)`, which adds the facts of its area to every view of the record `name`
("container", "docker", "podman", "vm").
It may have `OPEN`: record name to the checks that a sound host's defaults leave open.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules
from typing import Any

_MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]


def complete(document: dict[str, Any], name: str) -> dict[str, Any]:
    """Add the facts of every area; return the document."""
    for module in _MODULES:
        module.complete(document, name)
    return document


def left_open(name: str) -> frozenset[str]:
    """Return the checks that defaults leave open in this record."""
    return frozenset(check for module in _MODULES for check in getattr(module, "OPEN", {}).get(name, ()))
