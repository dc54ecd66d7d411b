"""The bounds that a sandbox is asked to keep.

In: numbers.  Out: a frozen `Limits`.  Used by runtime.py, which maps them to a runtime's flags, and by cgroups.py,
which writes them by hand.  Sets nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from provisioner.errors import IsolationError


@dataclass(frozen=True)
class Limits:
    """
    What a sandbox may take; None asks for no limit.

    Args:
        memory: bytes.
        cpus: processors' worth of time, 0.5 is half of one.
        pids: tasks.
    """

    memory: int | None = None
    cpus: float | None = None
    pids: int | None = None

    def __post_init__(self) -> None:
        for name in self.asked():
            if not getattr(self, name) > 0:
                raise IsolationError(f"cannot limit '{name}' to {getattr(self, name)}: it must be more than zero")

    def asked(self) -> tuple[str, ...]:
        """Return the names of the limits that are set."""
        return tuple(name for name in ("memory", "cpus", "pids") if getattr(self, name) is not None)
