"""Whether a call that got through met a filter: the cause, and so the remedy, is another one.

In: a process.  Out: a part of a reason.  Pure.
"""

from __future__ import annotations

from provisioner.errors import UnobservedFact
from provisioner.facts.process import Process

FILTER = 2  # SECCOMP_MODE_FILTER


def filter_seen(process: Process) -> str:
    """Return why no filter refused a call: there is none, or it lets the call pass."""
    try:
        return "its filter lets it pass" if process.seccomp.mode == FILTER else "no filter is installed"
    except UnobservedFact:
        return "its filter was not observed"
