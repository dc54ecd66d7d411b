"""Lists the built boxes, and the boxes that a lab's machines need but that are not built.

In: a lab, the cache.  Out: one `BoxInfo` for each box.  Changes nothing.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

from provisioner.machines.box.build import BAKED
from provisioner.machines.box.recipe import recipe_hash, recipe_names
from provisioner.machines.find import baked_packages, role_packages
from provisioner.machines.lab import Lab
from provisioner.paths import cache_dir
from provisioner.role_folders import role_folders

FOLDER = re.compile(r"(.+)-([0-9a-f]{12})")


@dataclass(frozen=True)
class BoxInfo:
    """
    One box.

    Attributes:
        box: the recipe's name.
        hash: the box's hash; "" if it is not built.
        bytes: the disk space of its files, the .box file included.
        baked: the roles with all packages baked in; None if that is not recorded.
        machines: the lab's machines that boot it; empty for a box of an older recipe.
        directory: the box's folder; "" if it is not built.
    """

    box: str
    hash: str
    bytes: int
    baked: list[str] | None
    machines: list[str]
    directory: str

    def cells(self) -> tuple[str, ...]:
        """Return the cells of its table row."""
        return (
            self.box,
            self.hash or "not built",
            f"{self.bytes >> 20} MiB",
            "?" if self.baked is None else ", ".join(self.baked) or "-",
            ", ".join(self.machines) or "-",
        )


def list_boxes(lab: Lab) -> list[BoxInfo]:
    """Return the built boxes, then the boxes that the lab's machines boot but that are not built."""
    boots: dict[tuple[str, str], list[str]] = {}
    for spec in lab.machines.values():
        if spec.box in recipe_names():
            boots.setdefault((spec.box, recipe_hash(spec.box, baked_packages(spec))), []).append(spec.name)
    boxes = []
    for folder in sorted((cache_dir() / "boxes").glob("*-*/")):
        if match := FOLDER.fullmatch(folder.name):
            machines = boots.pop((match[1], match[2]), [])
            boxes.append(BoxInfo(match[1], match[2], _size(folder), _baked(folder), machines, str(folder)))
    return boxes + [BoxInfo(box, "", 0, lab.machines[names[0]].bake, names, "") for (box, _), names in boots.items()]


def _size(folder: Path) -> int:
    return sum(file.stat().st_blocks * 512 for file in folder.iterdir())


def _baked(folder: Path) -> list[str] | None:
    """Return the roles with all packages baked in; None if that is not recorded."""
    try:
        packages = set(json.loads((folder / BAKED).read_text("utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return [role for role in role_folders("role.yaml") if (needed := set(role_packages([role]))) and needed <= packages]
