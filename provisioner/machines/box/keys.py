"""Makes and finds the two keys of a box: the login key and the guests' host key.

In: a folder in the state directory.  Out: a `BoxKeys`.  ssh-keygen makes the keys on this host, for this box only.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from provisioner.errors import IsolationError

LOGIN = "id_ed25519"
HOST = "ssh_host_ed25519_key"
TIMEOUT = 30.0  # seconds


@dataclass(frozen=True)
class BoxKeys:
    """
    The keys of one box.

    Args:
        login_private: the file of the login key; mode 0600, as ssh(1) requires.
        login_public: its public key, without a comment.
        host_private: the file of the guests' host key.
        host_public: its public key, "ssh-ed25519 AAAA…".
    """

    login_private: Path
    login_public: str
    host_private: Path
    host_public: str


def make_keys(folder: Path) -> BoxKeys:
    """
    Return the keys in a folder; make them if one is missing.

    Raises:
        IsolationError: ssh-keygen is not installed, or it fails.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    keys = find_keys(folder)
    if keys is None:
        for name in (LOGIN, HOST):
            (folder / name).unlink(missing_ok=True)
            _make(folder / name)
        keys = find_keys(folder)
    assert keys is not None  # just made
    return keys


def find_keys(folder: Path) -> BoxKeys | None:
    """Return the keys in a folder, None if one is missing."""
    try:
        login, host = (_read_public(folder / f"{name}.pub") for name in (LOGIN, HOST))
    except (OSError, ValueError):
        return None
    if not (folder / LOGIN).is_file() or not (folder / HOST).is_file():
        return None
    return BoxKeys(folder / LOGIN, login, folder / HOST, host)


def _read_public(path: Path) -> str:
    kind, key = path.read_text(encoding="utf-8").split()[:2]
    return f"{kind} {key}"


def _make(path: Path) -> None:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "pytest-isolation", "-f", str(path)]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IsolationError(f"cannot make key '{path}': {error}", hint="apt-get install openssh-client") from None
    if done.returncode != 0:
        raise IsolationError(f"cannot make key '{path}': {done.stderr.strip()[-300:]}")
