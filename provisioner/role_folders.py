"""Finds the folders of roles: a user's own ones first, then the packaged ones.

In: the environment variable PYTEST_ISOLATION_ROLES, which processes started here inherit; `add_roles` extends it.
Out: the folder of each role.
"""

from __future__ import annotations

import os
from pathlib import Path

from provisioner.errors import IsolationError
from provisioner.paths import ROLES

VARIABLE = "PYTEST_ISOLATION_ROLES"
FILES = ("runtime.yaml", "role.yaml", "expected.yaml", "remedies.yaml", "seccomp.yaml")


def role_folders(file: str, *roots: Path | None) -> dict[str, Path]:
    """
    Return the folders of the roles that have a file, by the role's name, sorted.

    A user's own role replaces the packaged one of the same name as a whole.

    Args:
        file: one of FILES.
        roots: the only folders of roles to look in, the first that has a role decides; none, or None: `role_roots`.
    """
    folders: dict[str, Path] = {}
    for root in reversed([root for root in roots if root is not None] or role_roots()):
        folders |= {path.parent.name: path.parent for each in FILES for path in root.glob(f"*/{each}")}
    return {name: folder for name, folder in sorted(folders.items()) if (folder / file).exists()}


def role_roots() -> list[Path]:
    """Return the folders of roles, the first that has a role decides: a user's own ones, then the packaged one."""
    own = [Path(part) for part in os.environ.get(VARIABLE, "").split(os.pathsep) if part]
    return [*own, ROLES]


def add_roles(folder: Path) -> None:
    """
    Look for roles in a folder first, in this process and in those that it starts.

    Raises:
        IsolationError: it is no folder, or holds no role.
    """
    if not folder.is_dir():
        raise IsolationError(f"cannot read roles from '{folder}': it is no folder")
    if not any(role_folders(file, folder) for file in FILES[:2]):
        raise IsolationError(
            f"cannot read roles from '{folder}': it holds no role", f"a role is {folder}/NAME/runtime.yaml or role.yaml"
        )
    if os.pathsep in str(folder):
        raise IsolationError(f"cannot read roles from '{folder}': its path contains a '{os.pathsep}'")
    path = folder.resolve()
    if path not in [root.resolve() for root in role_roots()]:
        os.environ[VARIABLE] = os.pathsep.join([str(path), *map(str, role_roots()[:-1])])


def add_roles_beside(file: Path) -> None:
    """
    Look for roles in the folder `roles` beside a file of the user's, if there is one that holds roles.

    Args:
        file: a lab.yaml or isolation.yaml.

    Raises:
        IsolationError: this process is root, and the folder belongs to another user than root and the file's owner.
    """
    folder = file.parent / "roles"
    if not any(role_folders(name, folder) for name in FILES[:2]):
        return
    owner = folder.stat().st_uid
    if os.geteuid() == 0 and owner not in (0, file.stat().st_uid):
        raise IsolationError(f"cannot use '{folder}': it belongs to uid {owner}", f"chown it, or set {VARIABLE}")
    add_roles(folder)


def find_own_roles(folder: Path | None = None) -> None:
    """
    Look for roles beside the lab.yaml and the isolation.yaml of a folder, as `add_roles_beside`.

    Args:
        folder: None for the working folder.
    """
    for name in ("lab.yaml", "isolation.yaml"):
        if (file := (folder or Path()) / name).exists():
            add_roles_beside(file)
