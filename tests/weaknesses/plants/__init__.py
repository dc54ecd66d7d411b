"""The live plants: sandboxes that lack one wall, one module for each runtime, and what must be said of each.

In: the modules here, found by themselves.  Out: `PLANTS`; `BASES`, sound sandboxes with a wall more than the runtime's
default, for a check can only turn red where it held; and `ONLY_SYNTHETIC`, the checks that no live plant can move here.
Read by planting.py.  No plant writes to a path of the host's or opens one for writing.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from plant import Make, Plant

_MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]

PLANTS: tuple[Plant, ...] = tuple(plant for module in _MODULES for plant in module.PLANTS)
BASES: dict[tuple[str, str], Make] = {
    key: make for module in _MODULES for key, make in getattr(module, "BASES", {}).items()
}

# What no live plant can move, neither on this machine nor in a machine of lab.yaml, and why.
ONLY_SYNTHETIC: dict[str, str] = {
    check: why for module in _MODULES for check, why in getattr(module, "ONLY_SYNTHETIC", {}).items()
}
