"""A weakness for each check: a sound record with exactly one thing edited, and what must be said of it.

In: the modules here, one for each area, found by themselves.  Out: `WEAKNESSES`, which turn their check red and name
the cause, and `LOOKALIKES`, which differ from a sound record as well and must move nothing.  All are synthetic: no such
sandbox ran.
"""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from weakness import Lookalike, Weakness

_MODULES = [import_module(f"{__name__}.{found.name}") for found in iter_modules(__path__)]

WEAKNESSES: tuple[Weakness, ...] = tuple(one for module in _MODULES for one in getattr(module, "WEAKNESSES", ()))
LOOKALIKES: tuple[Lookalike, ...] = tuple(one for module in _MODULES for one in getattr(module, "LOOKALIKES", ()))
