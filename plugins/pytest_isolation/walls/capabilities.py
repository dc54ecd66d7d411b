"""Capability masks as names, and names as masks.

In: masks of proc_pid_status(5) and names of capabilities(7).  Out: sets of names.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

from provisioner.facts.capabilities import NAMES as NAMES
from provisioner.facts.capabilities import names_in as names_in

# Kubernetes Pod Security Standards, profile baseline: what may be added (it has no NET_RAW).
BASELINE = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)


def mask_of(names: Iterable[str]) -> int:
    """
    Return the mask of these names, each with or without "CAP_".

    Raises:
        ValueError: a name is unknown.
    """
    mask = 0
    for name in names:
        mask |= 1 << NAMES.index(name.upper().removeprefix("CAP_"))
    return mask


def beyond(mask: int, allowed: Iterable[str]) -> list[str]:
    """
    Return the names of the capabilities in a mask that are not allowed, sorted.

    Args:
        mask: bits of a capability set.
        allowed: names with or without "CAP_".
    """
    return sorted(names_in(mask) - {name.upper().removeprefix("CAP_") for name in allowed})
