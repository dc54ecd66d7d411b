"""Makes and finds the two keys of a box: the one that logs in, and the one by which its guests are known.

In: a folder in the state directory.  Out: a `BoxKeys`.  Called by box.py.  The keys are made on this host for this one
box, by ssh-keygen; nobody else's machine has them.
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
        login_private: the file of the key that logs in; mode 0600, as ssh(1) asks for.
        login_public: its public half, without a comment.
        host_private: the file of the guests' own key.
        host_public: its public half, "ssh-ed25519 AAAA…".
    """

    login_private: Path
    login_public: str
    host_private: Path
    host_public: str


def make_keys(folder: Path) -> BoxKeys:
    """
    Make both keys in a folder, or return those that are there.

    Raises:
        IsolationError: there is no ssh-keygen, or it fails.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    found = find_keys(folder)
    if found is None:
        for name in (LOGIN, HOST):
            (folder / name).unlink(missing_ok=True)
            _make(folder / name)
        found = find_keys(folder)
    assert found is not None  # made just now
    return found


def find_keys(folder: Path) -> BoxKeys | None:
    """Return the keys in a folder, None when one is missing."""
    try:
        login, host = (_read_public(folder / f"{name}.pub") for name in (LOGIN, HOST))
    except (OSError, ValueError):
        return None
    if not (folder / LOGIN).is_file() or not (folder / HOST).is_file():
        return None
    return BoxKeys(folder / LOGIN, login, folder / HOST, host)


def _read_public(path: Path) -> str:
    kind, key = path.read_text().split()[:2]
    return f"{kind} {key}"


def _make(path: Path) -> None:
    argv = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "pytest-isolation", "-f", str(path)]
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=TIMEOUT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise IsolationError(f"cannot make key '{path}': {error}", hint="apt-get install openssh-client") from None
    if done.returncode != 0:
        raise IsolationError(f"cannot make key '{path}': {done.stderr.strip()[-300:]}")
