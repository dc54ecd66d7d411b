"""Tells what Vagrant is doing while it does it, and knows how long that may take.

In: Vagrant's output, piece by piece.  Out: one step on the screen for each thing that it says it is about to do, and
the seconds left.  Called by vagrant_program.py.  vagrant-libvirt waits for an address 300 times three seconds and takes
no setting for it: that wait has a deadline of its own here, the one of a machine's boot.
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
# a phase, how long it may take, and what is missing when it has taken that long
WAITS = {"vagrant: waiting for domain to get an IP address": ("machine.boot", "it has no address")}


class VagrantProgress:
    """
    What one command tells.

    Args:
        name: the machine that it is about.
        seconds: that the whole command may take.

    Attributes:
        allowed: the seconds that the present phase may take, or the whole.
        lacks: what is missing when they are over.
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
        """Return the seconds until whatever goes on now must be over."""
        return min(self._end, self._phase_end) - time.monotonic()

    def tell(self, chunk: bytes) -> None:
        """Take a piece of output; the last phase that it begins is the present one."""
        *whole, line = (self._line + chunk).split(b"\n")
        self._line = line[-LINE_BYTES:]
        found = [phase for text in whole if (phase := parse_phase(text.decode("utf-8", "replace"), self._name))]
        if found:
            self._enter(found[-1])

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
