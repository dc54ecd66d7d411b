"""Whether a limit is shown, and in force under a real load.

In: a `Load`.  Out: why it is not in force, or None.  Pure.

Raises UnobservedFact if the load shows nothing: it did not come near the limit, or something else ended it.
"""

from __future__ import annotations

from provisioner.limits.document import Load
from provisioner.limits.limit import limit_named


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
