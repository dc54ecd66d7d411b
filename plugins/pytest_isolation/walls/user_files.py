"""Which files of the user who starts a sandbox it opens.

In: what the sandbox and the host opened.  Out: paths.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from provisioner.facts.ipc import UserFile
from provisioner.hosts.user_files import is_secret


def secrets(files: Iterable[UserFile]) -> list[UserFile]:
    """Return the keys, tokens and profiles among the user's files."""
    return [one for one in files if is_secret(one.path)]


def startup(files: Iterable[UserFile]) -> list[UserFile]:
    """Return the files that are run later among the user's files."""
    return [one for one in files if not is_secret(one.path) and one.write is not None]


def opened(seen: Iterable[UserFile], named: Sequence[UserFile], kind: str, by_path: bool) -> list[str]:
    """
    Return the paths of the host's files that the sandbox opened.

    Args:
        seen: the files that the sandbox sees under these paths.
        named: the host's files.
        kind: "read" or "write".
        by_path: whether the path alone counts: another kernel numbers files anew.
    """
    numbers = {one.path: (tuple(one.device), one.inode) for one in named}
    return [
        one.path
        for one in seen
        if getattr(one, kind) == "ok"
        and one.path in numbers
        and (by_path or numbers[one.path] == (tuple(one.device), one.inode))
    ]
