"""Synthetic weaknesses: sound records with exactly one edit, and the check that must find it.

In: the modules here, one for each area, found by walking the package.
Out: `WEAKNESSES`, which turn their check red with the cause, and `LOOKALIKES`, which differ from a sound record and
move no check.
No such sandbox ran.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from weakness import Lookalike, Weakness

_MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]

WEAKNESSES: tuple[Weakness, ...] = tuple(one for module in _MODULES for one in getattr(module, "WEAKNESSES", ()))
LOOKALIKES: tuple[Lookalike, ...] = tuple(one for module in _MODULES for one in getattr(module, "LOOKALIKES", ()))
