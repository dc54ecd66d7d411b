"""Lists the boxes that are built, and those that a lab's machines wait for.

In: a lab, the cache.  Out: one `BoxInfo` for each.  Called by `provisioner box list`.  Changes nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from provisioner.machines.box.build import BAKED
from provisioner.machines.box.recipe import recipe_hash, recipe_names
from provisioner.machines.find import baked_packages, packages_of
from provisioner.machines.lab import Lab
from provisioner.paths import ROLES, cache_dir

FOLDER = re.compile(r"(.+)-([0-9a-f]{12})")


@dataclass(frozen=True)
class BoxInfo:
    """
    One box.

    Attributes:
        box: its recipe's name.
        hash: over all that decides what is in it; "" for one that is not built.
        bytes: that its files take, the .box among them.
        baked: the roles whose packages lie in it; None where nobody wrote that down.
        machines: those of the lab that boot it; none for one of an older recipe.
        directory: where it lies.
    """

    box: str
    hash: str
    bytes: int
    baked: list[str] | None
    machines: list[str]
    directory: str

    def cells(self) -> tuple[str, ...]:
        """Return it as a table's cells."""
        return (
            self.box,
            self.hash or "not built",
            f"{self.bytes >> 20} MiB",
            "?" if self.baked is None else ", ".join(self.baked) or "-",
            ", ".join(self.machines) or "-",
        )


def read_shelf(lab: Lab) -> list[BoxInfo]:
    """Return the boxes that are built, then those that the lab's machines boot and are not."""
    boots: dict[tuple[str, str], list[str]] = {}
    for spec in lab.machines.values():
        if spec.box in recipe_names():
            boots.setdefault((spec.box, recipe_hash(spec.box, baked_packages(spec))), []).append(spec.name)
    found = []
    for folder in sorted((cache_dir() / "boxes").glob("*-*/")):
        if match := FOLDER.fullmatch(folder.name):
            machines = boots.pop((match[1], match[2]), [])
            found.append(BoxInfo(match[1], match[2], _size(folder), _baked(folder), machines, str(folder)))
    return found + [BoxInfo(box, "", 0, lab.machines[names[0]].bake, names, "") for (box, _), names in boots.items()]


def _size(folder: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in folder.iterdir())


def _baked(folder: Path) -> list[str] | None:
    """Return the roles all of whose packages were baked in."""
    try:
        packages = set(json.loads((folder / BAKED).read_text()))
    except (OSError, ValueError, TypeError):
        return None
    roles = sorted(file.parent.name for file in ROLES.glob("*/role.yaml"))
    return [role for role in roles if (needed := set(packages_of([role]))) and needed <= packages]
