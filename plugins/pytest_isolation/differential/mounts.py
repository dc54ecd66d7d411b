"""Draws mounts: what is mounted, at which depth and under which name, read-only or writable; and their edit.

In: dice.  Out: choices as text, "SOURCE at TARGET, MODE", and the edit of a config.json for them.  Pure.

All targets are below one tmpfs, so that none stays in a root folder that several sandboxes share.  Nothing that is
bound is written: the probe opens files for writing only in procfs and sysfs, and closes them.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_isolation.differential.edits import Config, Edit, Place

TOP = "/drawn"
KERNEL = ("proc", "sysfs")  # made new
OVERLAYS = ("overlay of the own folders", "overlay of /etc", "overlay of /usr/bin")
SOURCES = (
    *("own folder", "own file", "/etc", "/etc/passwd", "/etc/hosts", "/etc/ssl/certs", "/usr/bin", "/var/log"),
    *("/usr/share/zoneinfo", "/var/lib/dpkg", "/dev/zero", "/dev/kmsg", *KERNEL, *KERNEL, *OVERLAYS),
)
NAMES = ("a", "b c", "etc", "proc", "x.y", "ä", "-o", "s\\t", "volumes")
GUARDED = ("nosuid", "nodev", "noexec")


def choose(dice: random.Random, chosen: Mapping[str, Any]) -> tuple[str, ...] | None:
    """Draw one to three mounts in four of ten draws; no overlay in a user namespace, which need not allow it."""
    found = []
    for number in range(dice.randint(1, 3)):
        source = dice.choice(SOURCES)
        names = [dice.choice(NAMES) for _ in range(dice.randint(0, 5))]
        mode = dice.choice(("ro", "rw"))
        if not (source in OVERLAYS and "user namespace" in chosen):
            found.append(f"{source} at {'/'.join([TOP, str(number), *names])}, {mode}")
    return tuple(found) if dice.random() < 0.4 and found else None


def edit(choice: tuple[str, ...], place: Place) -> Edit:
    """Mount a tmpfs at TOP, and below it what was drawn; a source that the host lacks is left out."""
    lines = [line for one in choice for line in _lines(one, place)]

    def edit(config: Config) -> None:
        options = ["nosuid", "nodev", "mode=755", "size=1m"]
        config["mounts"].append({"destination": TOP, "type": "tmpfs", "source": "tmpfs", "options": options})
        config["mounts"] += [line for line in lines if line["type"] != "bind" or Path(line["source"]).exists()]

    return edit


def _lines(choice: str, place: Place) -> list[Config]:
    source, _, rest = choice.partition(" at ")
    target, _, mode = rest.rpartition(", ")
    if source in KERNEL:
        # below it a folder: crun makes no folders for these two, except in the root
        fresh = {"destination": target, "type": source, "source": source, "options": [*GUARDED, mode]}
        return [_bind(str(place.innocent), target, mode), fresh]
    if source in OVERLAYS:
        lower = source.removeprefix("overlay of ").replace("the own folders", str(place.other))
        options = [f"lowerdir={place.innocent}:{lower}", *GUARDED, "ro"]
        return [{"destination": target, "type": "overlay", "source": "overlay", "options": options}]
    path = {"own folder": str(place.innocent), "own file": str(place.innocent / "file")}.get(source, source)
    return [_bind(path, target, mode)]


def _bind(source: str, target: str, mode: str) -> Config:
    return {"destination": target, "type": "bind", "source": source, "options": ["bind", *GUARDED, mode]}
