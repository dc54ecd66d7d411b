"""Where this project keeps its files: what may be lost, what must last, and what belongs to what runs now.

In: who runs, and the environment variable PYTEST_ISOLATION_HOME.  Out: folders that exist, with the right mode.
Called by whatever writes files.  The cache is readable for all, since unprivileged sandboxes start the probe from it;
state and run can be passed through but not listed, since ids that a sandbox maps must reach their own root folder.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

import platformdirs

from provisioner.errors import IsolationError

NAME = "pytest-isolation"
HOME = "PYTEST_ISOLATION_HOME"
PACKAGE = Path(__file__).resolve().parent
ROLES = PACKAGE / "roles"
READABLE = 0o755
PASSABLE = 0o711


def cache_dir() -> Path:
    """Return the folder of what can be made again: built probes, fetched kernels, root file systems."""
    return _make(_choose("cache", "/var/cache", platformdirs.user_cache_path), READABLE)


def state_dir() -> Path:
    """Return the folder of what outlives a run: keys, journals, results."""
    return _make(_choose("state", "/var/lib", platformdirs.user_state_path), PASSABLE)


def run_dir() -> Path:
    """Return the folder of sockets, locks and what else ends with the machine's uptime."""
    return _make(_choose("run", "/run", _user_run), PASSABLE)


def import_path() -> dict[str, str]:
    """Return the environment variable with which another Python interpreter imports this same package."""
    root = str(PACKAGE.parent)
    return {"PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")]))}


def _user_run(name: str, appauthor: Literal[False]) -> Path:
    """Without a login session's XDG_RUNTIME_DIR, stay below our own state: a name in /tmp can be taken by others."""
    if os.environ.get("XDG_RUNTIME_DIR"):
        return platformdirs.user_runtime_path(name, appauthor=appauthor)
    return platformdirs.user_state_path(name, appauthor=appauthor) / "run"


def _choose(part: str, system: str, user: object) -> Path:
    home = os.environ.get(HOME)
    if home:
        return Path(home).absolute() / part
    if os.geteuid() == 0:
        return Path(system) / NAME
    assert callable(user)
    return Path(user(NAME, appauthor=False))


def _make(path: Path, mode: int) -> Path:
    """Make a folder that is ours: who owns it could put another program in the probe's place."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_dir():
            path.mkdir(mode=mode, exist_ok=True)
            path.chmod(mode)
        owner = path.stat().st_uid
    except OSError as error:
        raise IsolationError(f"cannot make folder '{path}': {error.strerror}", hint=f"set {HOME} to another") from None
    if owner != os.geteuid():
        raise IsolationError(f"cannot use folder '{path}': it belongs to uid {owner}", hint=f"set {HOME} to another")
    return path
