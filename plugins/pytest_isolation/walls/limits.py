"""Whether a limit is shown, and in force under a real load.

In: a `Load`.  Out: why it is not in force, or None.  Pure.

Raises UnobservedFact if the load shows nothing: it did not come near the limit, or something else ended it.
"""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.facts.mounts import Mount
from provisioner.limits.document import Load
from provisioner.limits.limit import limit_named


def unbounded_in_memory(mounts: Sequence[Mount], hosts: Sequence[Mount]) -> list[str]:
    """
    Return where a sandbox may write files that take as much of the host's memory as there is, or half of it.

    shmem_show_options() of Linux shows `size` only where a mount has another one than half of the memory.

    Args:
        mounts: the sandbox's; those of a file system of the host's are left out.
        hosts: the host's mounts.
    """
    of_host = {(mount.major, mount.minor) for mount in hosts}
    return sorted(
        mount.target
        for mount in mounts
        if "rw" in mount.options
        and (mount.major, mount.minor) not in of_host
        and (mount.fstype == "ramfs" or (mount.fstype == "tmpfs" and not _has_size(mount)))
    )


def _has_size(mount: Mount) -> bool:
    return any(option.startswith(("size=", "nr_blocks=")) for option in mount.super_options)


def why_not_in_force(load: Load, name: str) -> str | None:
    """
    Return why a limit is not in force, with what the runtime printed about it; None if it is.

    Args:
        load: what was measured.
        name: the limit's name: "memory".

    Raises:
        UnobservedFact: the load cannot tell: it never came near the limit, or something else ended it.
    """
    why = limit_named(name).why_not_in_force(load)
    if why is None:
        return None
    return f"{why}; with a warning: {load.warning}" if load.warning else f"{why}; silently"
