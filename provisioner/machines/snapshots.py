"""Names snapshots: the converged one by a hash of its contents, the user's by a checked name.

In: hashes of a box, its roles and their variables; a user's name.  Out: a name that every provider accepts.
`provisioner up` restores the snapshot of the hash that lab.yaml gives now, and converges if there is none.
"""

from __future__ import annotations

import hashlib
import re

from provisioner.errors import IsolationError

PREFIX = "converged-"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def snapshot_name(box_hash: str, roles_hash: str, variables_hash: str) -> str:
    """
    Return the name of a converged machine's snapshot.

    Args:
        box_hash: the box's hash, or the name of a box that Vagrant knows.
        roles_hash: the hash of the roles that were applied.
        variables_hash: the hash of their variables; "" if roles_hash includes them.

    Example:
        >>> snapshot_name("a", "b", "c")
        'converged-9a7bea4d1a5e'
    """
    text = "\0".join((box_hash, roles_hash, variables_hash))
    return f"{PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def is_converged(name: str) -> bool:
    """Tell whether a snapshot's name was made here: such a snapshot can be made again."""
    return name.startswith(PREFIX)


def check_snapshot_name(name: str) -> None:
    """Raise IsolationError unless a name is safe as part of a command, a file name and a monitor line."""
    if not NAME.fullmatch(name):
        raise IsolationError(f"cannot name a snapshot '{name}'", "use letters, digits, dots and dashes, at most 64")
