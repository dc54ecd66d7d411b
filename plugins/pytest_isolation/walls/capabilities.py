"""Capability masks as names, and names as masks.

In: masks of proc_pid_status(5) and names of capabilities(7).  Out: sets of names.  Pure.
"""

from __future__ import annotations

from collections.abc import Iterable

# The order is the kernel's (include/uapi/linux/capability.h): a name's index is its bit.
NAMES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)

# Kubernetes Pod Security Standards, profile baseline: what may be added (it has no NET_RAW).
BASELINE = frozenset(
    {
        *("AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD", "NET_BIND_SERVICE"),
        *("SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT"),
    }
)


def names_in(mask: int) -> frozenset[str]:
    """Return the names of the capabilities in a mask; a bit that this table lacks is "CAP_N" with its number."""
    return frozenset(
        NAMES[bit] if bit < len(NAMES) else f"CAP_{bit}" for bit in range(mask.bit_length()) if mask >> bit & 1
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
