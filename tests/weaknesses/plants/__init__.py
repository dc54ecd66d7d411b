"""The live plants: sandboxes that lack one wall, by runtime and by area, and the checks that must find each.

In: the modules here, found by walking the package.
Out: `PLANTS`; `BASES`, sound sandboxes with one wall more than the runtime's default, because a check can only turn red
if it held; `ONLY_SYNTHETIC`, the checks that no live plant moves here.
No plant writes to a path of the host or opens one for writing.
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

# Checks that no live plant moves, on this host or in a machine of lab.yaml, and why.
ONLY_SYNTHETIC: dict[str, str] = {
    check: why for module in _MODULES for check, why in getattr(module, "ONLY_SYNTHETIC", {}).items()
}
