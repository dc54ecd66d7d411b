"""Loads the recipe of a box, and hashes everything that decides the box's content.

In: a recipe's name and the packages to bake in.  Out: a frozen `Recipe`, and a hash.  A recipe is data in
boxes/<name>.yaml: another box is another file.
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
# these files decide a box's content too
MAKERS = ("init.c", "initrd.py", "kernel.sh", "rootfs.py", "../../images/mmdebstrap.py")


class Recipe(BaseModel):
    """
    What a box is made of; paths are relative to its root.

    Args:
        suite: the distribution's release.
        size: the disk's size in GiB; the file is sparse.
        kernel: the metapackage that depends on the current kernel's package.
        packages: the packages in addition to mmdebstrap's variant minbase.
        modules: the kernel modules that the initramfs loads, with their dependencies.
        cmdline: the words of the kernel's command line.
        masked: the systemd units that never start.
        wanted: the systemd units that start, each with the target that wants it.
        files: each file's text by its path.
        links: each symbolic link's target by its path.
        dpkg: dpkg's configuration, in the box and while it is built.
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
    Return a recipe.

    Raises:
        IsolationError: there is no recipe of that name, or it is invalid.
    """
    path = FOLDER / f"{name}.yaml"
    if name not in recipe_names():
        raise IsolationError(f"cannot build box '{name}': no such recipe", hint=f"known: {', '.join(recipe_names())}")
    return load_yaml(path, Recipe)


def recipe_names() -> list[str]:
    """Return the names of all recipes."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def recipe_hash(name: str, bake: Sequence[str] = ()) -> str:
    """Return 12 hex digits over the recipe, the baked packages, the code that builds it, and the architecture."""
    digest = hashlib.sha256()
    for path in (FOLDER / f"{name}.yaml", *(Path(__file__).parent / maker for maker in MAKERS)):
        digest.update(f"{path.name}\0{path.stat().st_size}\0".encode() + path.read_bytes())
    for word in (platform.machine(), *sorted(set(bake))):
        digest.update(word.encode() + b"\0")
    return digest.hexdigest()[:12]
