"""Reads what a box is made of, and names a box by all that decides what it holds.

In: a box's name and the packages that are baked in.  Out: a frozen `Recipe` and its hash.  Called by box.py.  A recipe
is data in boxes/<name>.yaml: another box is another file.
"""

from __future__ import annotations

import hashlib
import platform
from collections.abc import Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from provisioner.errors import IsolationError
from provisioner.files.yaml import load_yaml

FOLDER = Path(__file__).parent / "boxes"
# beside the recipe, what these files say decides what is in a box
MAKERS = ("init.c", "initrd.py", "kernel.sh", "rootfs.py")


class Recipe(BaseModel):
    """
    What a box is made of; paths are relative to its root.

    Args:
        suite: the distribution's release.
        size: of its disk, GiB; the file is sparse.
        kernel: the metapackage that depends on the current kernel's package.
        packages: beside the variant minbase.
        modules: kernel modules that the initramfs loads, with what they depend on.
        cmdline: words of the kernel's command line.
        masked: units that never start.
        wanted: units that start, each with the target that wants it.
        files: their text by path.
        links: where a symbolic link points to, by its path.
        dpkg: the text of dpkg's configuration, in the box and while it is built.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    suite: str
    size: int = Field(gt=0, le=1024)
    kernel: str
    packages: tuple[str, ...]
    modules: tuple[str, ...]
    cmdline: tuple[str, ...]
    masked: tuple[str, ...] = ()
    wanted: dict[str, str] = {}
    files: dict[str, str] = {}
    links: dict[str, str] = {}
    dpkg: str = ""


def load_recipe(name: str) -> Recipe:
    """
    Return the recipe of a box.

    Raises:
        IsolationError: there is none of that name, or it is not well-formed.
    """
    path = FOLDER / f"{name}.yaml"
    if name not in recipe_names():
        raise IsolationError(f"cannot build box '{name}': no such recipe", hint=f"known: {', '.join(recipe_names())}")
    return load_yaml(path, Recipe)


def recipe_names() -> list[str]:
    """Return the names of all boxes that can be built."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def recipe_hash(name: str, bake: Sequence[str] = ()) -> str:
    """Return 12 hex digits over the recipe, the packages baked in, what builds it, and the architecture."""
    digest = hashlib.sha256()
    for path in (FOLDER / f"{name}.yaml", *(Path(__file__).parent / maker for maker in MAKERS)):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    for word in (platform.machine(), *sorted(set(bake))):
        digest.update(word.encode() + b"\0")
    return digest.hexdigest()[:12]
