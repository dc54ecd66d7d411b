"""A section of facts that only a test has: the clocks of a system.  The one module that a new section takes."""

from __future__ import annotations

from provisioner.observed import Fact, Number, Observed, Text


class Clock(Observed):
    """`source` is the kernel's clock source; `offset` is how many seconds the clock is off."""

    source: Fact[Text]
    offset: Fact[Number | None]
