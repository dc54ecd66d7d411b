"""Shows what Vagrant does while it runs, and how long the present phase may take.

In: Vagrant's output, piece by piece.  Out: one step on the screen for each phase, and the seconds left.
vagrant-libvirt waits for a machine's address 300 times 3 s, without a setting for it: here that phase has the deadline
of a boot.
"""

from __future__ import annotations

import contextlib
import time
from types import TracebackType
from typing import Self

from provisioner.deadlines import deadline
from provisioner.machines.vagrant.output import parse_phase
from provisioner.progress import step

LINE_BYTES = 1 << 16
# a phase, the name of its deadline, and what is missing when that has passed
WAITS = {"vagrant: waiting for domain to get an IP address": ("machine.boot", "it has no address")}


class VagrantProgress:
    """
    The progress of one command of Vagrant.

    Args:
        name: the machine that the command is about.
        seconds: how long the whole command may take.

    Attributes:
        allowed: how many seconds the present phase, or the whole command, may take.
        lacks: what is missing when they are over, for the error.
    """

    def __init__(self, name: str, seconds: float) -> None:
        self._name = name
        self._end = time.monotonic() + seconds
        self._phase_end = self._end
        self._whole = seconds
        self._line = b""
        self._steps = contextlib.ExitStack()
        self.allowed = seconds
        self.lacks = "no end"

    def seconds_left(self) -> float:
        """Return the seconds until the present phase and the whole command must have ended."""
        return min(self._end, self._phase_end) - time.monotonic()

    def feed(self, chunk: bytes) -> None:
        """Read a piece of output; the last phase in it is the present one."""
        *whole, line = (self._line + chunk).split(b"\n")
        self._line = line[-LINE_BYTES:]
        phases = [phase for text in whole if (phase := parse_phase(text.decode("utf-8", "replace"), self._name))]
        if phases:
            self._enter(phases[-1])

    def _enter(self, phase: str) -> None:
        self._steps.close()
        self._steps.enter_context(step(phase))
        name, lacks = WAITS.get(phase, ("", "no end"))
        self._phase_end = time.monotonic() + deadline(name) if name else self._end
        self.lacks = lacks
        self.allowed = deadline(name) if name else self._whole

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._steps.__exit__(kind, error, trace)
