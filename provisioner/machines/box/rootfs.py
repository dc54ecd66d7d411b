"""Makes the root folder of a box: Debian by mmdebstrap, with the recipe's packages, files and units.

In: a `Recipe`, packages to bake in, and the keys.  Out: a folder with the root file system.  Needs root.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from provisioner.connection.local import LocalConnection
from provisioner.errors import IsolationError
from provisioner.images.mmdebstrap import run_mmdebstrap
from provisioner.machines.box.keys import BoxKeys
from provisioner.machines.box.recipe import Recipe
from provisioner.progress import step

HOOK = Path(__file__).with_name("kernel.sh")
TOOLS = {"mmdebstrap": "mmdebstrap", "mke2fs": "e2fsprogs", "qemu-img": "qemu-utils", "ssh-keygen": "openssh-client"}


def check_tools() -> None:
    """Raise IsolationError unless this user is root and the tools for a box are installed."""
    if os.geteuid() != 0:
        raise IsolationError(
            "cannot build a box: only root may chroot and make device nodes", hint="run it as root: sudo"
        )
    missing = [package for tool, package in TOOLS.items() if LocalConnection().find(tool) is None]
    if missing:
        raise IsolationError(
            f"cannot build a box: not installed: {', '.join(missing)}",
            hint=f"apt-get install --no-install-recommends {' '.join(missing)}",
        )


def make_rootfs(rootfs: Path, recipe: Recipe, bake: Sequence[str], keys: BoxKeys) -> None:
    """
    Create a folder with a box's root file system.

    Args:
        rootfs: the folder; it must not exist.
        recipe: the box's recipe.
        bake: the packages to install in addition to the recipe's.
        keys: the box's keys.

    Raises:
        IsolationError: no mirror answers, a package is missing, or a package's script fails; quotes apt's error.
    """
    packages = [*recipe.packages, *bake]
    with step(f"unpack Debian {recipe.suite} and {len(packages)} packages"):
        _run_mmdebstrap(rootfs, recipe, packages)
    _write_files(rootfs, recipe)
    _write_units(rootfs, recipe)
    _write_keys(rootfs, keys)


def _run_mmdebstrap(rootfs: Path, recipe: Recipe, packages: Sequence[str]) -> None:
    run_mmdebstrap(
        rootfs,
        recipe.suite,
        packages,
        "a box",
        (
            *("--format=directory", '--aptopt=Acquire::GzipIndexes "true";'),
            *(f"--dpkgopt={line}" for line in recipe.dpkg.splitlines()),
            "--skip=cleanup/apt/lists",  # fetching the lists again takes an emulated guest 30 s
            f'--customize-hook=sh {HOOK} "$1" {recipe.kernel}',
        ),
    )


def _write_files(rootfs: Path, recipe: Recipe) -> None:
    for name, text in recipe.files.items():
        path = _below(rootfs, name)
        path.unlink(missing_ok=True)
        path.write_text(text, "utf-8")
        path.chmod(0o644)
    for name, target in recipe.links.items():
        path = _below(rootfs, name)
        path.unlink(missing_ok=True)
        path.symlink_to(target)


def _write_units(rootfs: Path, recipe: Recipe) -> None:
    for unit in recipe.masked:
        path = _below(rootfs, f"etc/systemd/system/{unit}")
        path.unlink(missing_ok=True)
        path.symlink_to("/dev/null")
    for unit, target in recipe.wanted.items():
        own = rootfs / "etc/systemd/system" / unit
        path = _below(rootfs, f"etc/systemd/system/{target}.wants/{unit}")
        path.unlink(missing_ok=True)
        path.symlink_to(f"/etc/systemd/system/{unit}" if own.exists() else f"/lib/systemd/system/{unit}")


def _write_keys(rootfs: Path, keys: BoxKeys) -> None:
    """Replace the host keys that the package made by the box's own, and allow its login key."""
    for key in (rootfs / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    host = rootfs / "etc/ssh/ssh_host_ed25519_key"
    shutil.copyfile(keys.host_private, host)
    host.chmod(0o600)
    host.with_suffix(".pub").write_text(f"{keys.host_public}\n", "utf-8")
    allowed = rootfs / "root/.ssh/authorized_keys"
    allowed.parent.mkdir(mode=0o700, exist_ok=True)
    allowed.write_text(f"{keys.login_public}\n", "utf-8")
    allowed.chmod(0o600)


def _below(rootfs: Path, name: str) -> Path:
    """Return the path of a file in the root folder, and create its parent; refuse a link that leads out of it."""
    path = rootfs / name
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    if not path.parent.resolve().is_relative_to(rootfs.resolve()):
        raise IsolationError(f"cannot write '{name}' into a box: a link leads out of it")
    return path
