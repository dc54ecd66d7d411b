"""Tells whether a path of a marker's `shows` can name a fact, before anything is observed.

In: a path such as "process.namespaces.pid".  Out: what is wrong with it, with the nearest fact.  Pure.
"""

from __future__ import annotations

from pydantic import BaseModel

from provisioner.facts.document import Facts
from provisioner.facts.image import ImageSeen
from provisioner.files.model_fields import field_names
from provisioner.files.suggest import suggest
from provisioner.runtimes.declared import Declared
from pytest_isolation.records.record import TargetInfo

HOLDERS: dict[str, type[BaseModel]] = {
    "exec": Facts,
    "vmm": Facts,
    "host": Facts,
    "peer": Facts,
    "image": ImageSeen,
    "target": TargetInfo,
    "declared": Declared,
}
WHOLE = ("loads", "reaches", "shared_file", "network", "filter")  # what was measured: judge/evidence.py
SECTIONS = ("process", "limits", "system")  # a path may leave them out


def unknown_fact(path: str) -> str:
    """Return why a path names no fact, with the nearest one; "" if it may name one."""
    plain = path.partition("[")[0]
    parts = plain.split(".")
    if parts[0] in WHOLE:
        return ""
    holder, rest = (HOLDERS[parts[0]], parts[1:]) if parts[0] in HOLDERS else (Facts, parts)
    starts = [(name,) for name in SECTIONS] if holder is Facts else []
    faults = [fault for start in [(), *starts] if (fault := _fault(holder, start, rest))]
    if len(faults) <= len(starts):
        return ""
    at, part, known = max(faults, key=lambda fault: fault[0])
    names = known if at else [name for start in [(), *starts] for name in field_names(holder, start)]
    return f"there is no fact '{path}'; {suggest(part, names, 'docs/reference/fixtures.md lists the facts')}"


def _fault(holder: type[BaseModel], start: tuple[str, ...], parts: list[str]) -> tuple[int, str, list[str]] | None:
    """Return how far a path leads, the part that leads no further, and the names that are there; None if it does."""
    for at, part in enumerate(parts):
        known = field_names(holder, (*start, *parts[:at]))
        if not known:
            return None  # a value, or a mapping of names that a sandbox chose
        if part not in known:
            return at, part, known
    return None
