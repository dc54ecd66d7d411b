"""Fetches Debian packages without root and without installing them.

In: package names.  Out: the .deb files in a folder, or one IsolationError that names what is missing: apt, the mirror,
the package or space.  This machine's package lists are used if it has any, else lists are fetched into the cache.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path

from provisioner.connection.local import CommandTimeout, run_command
from provisioner.errors import IsolationError
from provisioner.paths import cache_dir
from provisioner.progress import step

LISTS = Path("/var/lib/apt/lists")
STATUS = Path("/var/lib/dpkg/status")
UPDATE_TIMEOUT = 300.0  # seconds
FETCH_TIMEOUT = 600.0
UNPACK_TIMEOUT = 120.0
ENVIRONMENT = {"LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
ROOM = 32 << 20  # bytes that must be free before anything is fetched

FAULTS = (
    (r"No space left|enough (free )?space", "there is no space left in '{into}'", "free some space there"),
    (r"Could not resolve|Failed to fetch|Unable to connect|Could not connect|Connection (failed|timed)|Err:",
     "apt's mirror cannot be reached", "name a mirror that answers in /etc/apt/sources.list"),
    (r"Unable to locate package|No candidate|Can't (select|find)", "apt's mirrors do not have it",
     "name a full Debian or Ubuntu mirror in /etc/apt/sources.list"),
)  # fmt: skip


def fetch_packages(names: Sequence[str], into: Path) -> list[Path]:
    """
    Download packages as .deb files.

    Args:
        names: packages of this machine's distribution and architecture.
        into: a folder; it is made if it is missing.

    Returns:
        The files, in the order of the names.

    Raises:
        IsolationError: apt, a mirror, a package or space is missing.
    """
    what = f"cannot fetch {', '.join(repr(name) for name in names)}"
    for tool in ("apt-get", "dpkg-deb"):
        if shutil.which(tool) is None:
            raise IsolationError(f"{what}: {tool} is not installed", hint="this needs Debian, Ubuntu or a derivative")
    into.mkdir(parents=True, exist_ok=True)
    if shutil.disk_usage(into).free < ROOM:
        raise IsolationError(f"{what}: there is no space left in '{into}'", hint="free some space there")
    with step(f"fetch {' '.join(names)}"):
        _download(names, into, what)
    return [_find(into, name, what) for name in names]


def _download(names: Sequence[str], into: Path, what: str) -> None:
    """Use this machine's lists, then fresh ones: old lists name versions that the mirror no longer has."""
    argv = ["--quiet", "download", *names]
    if _has_lists(names):
        with contextlib.suppress(IsolationError):
            return _run(["apt-get", *argv], into, FETCH_TIMEOUT, what)
    return _run(["apt-get", *_own_lists(what), *argv], into, FETCH_TIMEOUT, what)


def unpack_package(deb: Path, into: Path) -> None:
    """
    Unpack a package's files below a folder, without its scripts.

    Raises:
        IsolationError: the file is not a package, or there is no space.
    """
    _run(["dpkg-deb", "--extract", str(deb), str(into)], into, UNPACK_TIMEOUT, f"cannot unpack '{deb.name}'")


def _has_lists(names: Sequence[str]) -> bool:
    """Tell whether this machine's lists have the packages; container images have no lists."""
    if not any(LISTS.glob("*_Packages*")):
        return False
    argv = ["apt-cache", "show", "--no-all-versions", *names]
    text = run_command(argv, 60, ENVIRONMENT).stdout.decode("utf-8", "replace")
    return all(re.search(rf"^Package: {re.escape(name)}$", text, re.MULTILINE) for name in names)


def _own_lists(what: str) -> list[str]:
    """Fetch package lists into the cache; return the options that make apt use them."""
    root = cache_dir() / "apt"
    for part in ("state/lists/partial", "cache/archives/partial"):
        (root / part).mkdir(parents=True, exist_ok=True)
    options = []
    settings = {"Dir::State": root / "state", "Dir::Cache": root / "cache", "Dir::State::status": STATUS}
    if os.geteuid() == 0:  # the user _apt cannot write there
        settings["APT::Sandbox::User"] = Path("root")
    for key, value in settings.items():
        options += ["-o", f"{key}={value}"]
    _run(["apt-get", *options, "--quiet", "--error-on=any", "update"], root, UPDATE_TIMEOUT, what)
    return options


def _run(argv: list[str], folder: Path, timeout: float, what: str) -> None:
    try:
        done = run_command(argv, timeout, ENVIRONMENT, folder, tied=True)
    except CommandTimeout:
        raise IsolationError(f"{what}: {argv[0]} took more than {timeout:.0f} s", hint="try again later") from None
    except IsolationError as error:
        raise IsolationError(f"{what}: {error.what}", error.hint) from None
    if done.status != 0:
        log = (done.stdout + done.stderr).decode("utf-8", "backslashreplace")[-4000:]
        for pattern, why, hint in FAULTS:
            if re.search(pattern, log):
                raise IsolationError(f"{what}: {why.format(into=folder)}", hint=hint, log=log)
        lines = log.strip().splitlines()
        raise IsolationError(f"{what}: {lines[-1] if lines else f'{argv[0]} failed'}", log=log)


def _find(folder: Path, name: str, what: str) -> Path:
    found = sorted(folder.glob(f"{name}_*.deb"), key=lambda path: path.stat().st_mtime)
    if not found:
        raise IsolationError(f"{what}: apt-get fetched no file for '{name}'")
    return found[-1]
