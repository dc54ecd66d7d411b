"""A set of capabilities: the kernel's mask as a number that prints its names.

In: masks of proc_pid_status(5).  Out: `CapabilitySet`, and the names of capabilities(7).  Pure.
"""

from __future__ import annotations

# The order is the kernel's (include/uapi/linux/capability.h): a name's index is its bit.
NAMES = (
    *("CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP"),
    *("LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER"),
    *("SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE"),
    *("SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP"),
    *("MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF"),
    "CHECKPOINT_RESTORE",
)


def names_in(mask: int) -> frozenset[str]:
    """Return the names of the capabilities in a mask; a bit that this table lacks is "CAP_N" with its number."""
    return frozenset(
        NAMES[bit] if bit < len(NAMES) else f"CAP_{bit}" for bit in range(mask.bit_length()) if mask >> bit & 1
    )


class CapabilitySet(int):
    """
    A mask of capabilities: a number as before, which prints as names and knows them.

    Example:
        >>> CapabilitySet(0x21)
        {CHOWN, KILL}
        >>> "CAP_KILL" in CapabilitySet(0x21)
        True
    """

    @property
    def names(self) -> frozenset[str]:
        """The names of the capabilities, without "CAP_"."""
        return names_in(self)

    def __contains__(self, name: str) -> bool:
        return name.upper().removeprefix("CAP_") in self.names or name.upper() in self.names

    def __or__(self, other: int) -> CapabilitySet:
        return CapabilitySet(int(self) | other)

    def __and__(self, other: int) -> CapabilitySet:
        return CapabilitySet(int(self) & other)

    def __repr__(self) -> str:
        return "{" + ", ".join(sorted(self.names, key=_place)) + "}"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(int(self), spec) if spec else repr(self)


def _place(name: str) -> int:
    return NAMES.index(name) if name in NAMES else int(name.removeprefix("CAP_"))
