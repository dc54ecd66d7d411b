"""Where this project keeps its files: a cache, a state and a run folder.

In: the user, and the environment variable PYTEST_ISOLATION_HOME.  Out: folders that exist and have the right mode.  All
users may read the cache: unprivileged sandboxes start the probe from it.  State and run can be searched but not listed:
mapped ids of sandboxes must reach their root folders.  Root refuses folders on whose path another user can change
something: so no other user leads root elsewhere by a path below them, unless root gives away a folder there.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import platformdirs

from provisioner.errors import IsolationError
from provisioner.files.folder import Folder

NAME = "pytest-isolation"
HOME = "PYTEST_ISOLATION_HOME"
PACKAGE = Path(__file__).resolve().parent
ROLES = PACKAGE / "roles"
READABLE = 0o755
PASSABLE = 0o711


def cache_dir() -> Path:
    """Return the folder for what can be made again: built probes, fetched kernels, root file systems."""
    return _make(_choose("cache", "/var/cache", platformdirs.user_cache_path), READABLE)


def state_dir() -> Path:
    """Return the folder for what outlives a run and a boot: keys, state of runtimes."""
    return _make(_choose("state", "/var/lib", platformdirs.user_state_path), PASSABLE)


def run_dir() -> Path:
    """Return the folder for what does not outlive a boot: sockets, locks, journals."""
    return _make(_choose("run", "/run", _user_run), PASSABLE)


def import_path() -> dict[str, str]:
    """Return the environment variable with which another Python interpreter imports this same package."""
    root = str(PACKAGE.parent)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}


def _user_run(name: str, appauthor: Literal[False]) -> Path:
    """Return the user's runtime folder, else one in the state folder: other users can take names in /tmp."""
    if os.environ.get("XDG_RUNTIME_DIR"):
        return platformdirs.user_runtime_path(name, appauthor=appauthor)
    return platformdirs.user_state_path(name, appauthor=appauthor) / "run"


def _choose(part: str, system: str, user: Callable[[str, Literal[False]], Path]) -> Path:
    home = os.environ.get(HOME)
    if home:
        _check(home)
        return Path(os.path.abspath(home)) / part  # without "..", as the paths in journals are
    if os.geteuid() == 0:
        return Path(system) / NAME
    try:
        path = user(NAME, False)
    except RuntimeError:  # platformdirs cannot expand ~
        path = Path("~")
    if not path.is_absolute():
        raise IsolationError(
            f"cannot find the home of uid {os.geteuid()}: HOME is no absolute path, and passwd(5) names none",
            f"set {HOME} to an empty folder of this user",
        )
    return path


def _check(home: str) -> None:
    """Refuse a home that the user did not mean: a shell expands ~ only where it is not quoted."""
    if home.startswith("~"):
        raise IsolationError(
            f"cannot use {HOME} '{home}': no shell has expanded the ~", f'write it as "$HOME{home[1:]}"'
        )
    if not home.isprintable():
        raise IsolationError(f"cannot use {HOME} '{home}': it contains a control character", "set it to a plain path")


def _make(path: Path, mode: int) -> Path:
    """Make a folder, and refuse one that another user can change: this user could replace the probe in it."""
    hint = f"set {HOME} to another"
    try:
        with Folder.make(path, mode) as folder:
            owner = os.fstat(folder.fd).st_uid
    except OSError as error:
        raise IsolationError(f"cannot make folder '{path}': {error.strerror}", hint) from None
    except IsolationError as error:
        raise IsolationError(error.what, f"chown it to root and chmod go-w, or {hint}") from None
    if owner != os.geteuid():
        raise IsolationError(f"cannot use folder '{path}': it belongs to uid {owner}", hint)
    return path
