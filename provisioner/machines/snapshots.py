"""Names a machine's snapshot by all that decides what is in it.

In: the hashes of a box, of the roles that were applied and of their variables.  Out: a name that every provider takes.
Called after converging and before it: the next run restores what has the same name, and converges where there is none.
Snapshots that users name have other names than these.
"""

from __future__ import annotations

import hashlib

PREFIX = "converged-"


def snapshot_name(box_hash: str, roles_hash: str, variables_hash: str) -> str:
    """
    Return the name of a converged machine's snapshot.

    Example:
        >>> snapshot_name("a", "b", "c")
        'converged-9a7bea4d1a5e'
    """
    text = "\0".join((box_hash, roles_hash, variables_hash))
    return f"{PREFIX}{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def is_converged(name: str) -> bool:
    """Tell whether a snapshot was named here, not by a user: it can be made again."""
    return name.startswith(PREFIX)
