"""Says in one line that sandboxes need Linux, where a program runs elsewhere: macOS is a client that judges records."""

from __future__ import annotations

import sys

from provisioner.errors import IsolationError


def require_linux(what: str) -> None:
    """
    Refuse what needs a Linux kernel on other systems.

    Args:
        what: what cannot be done elsewhere: "cannot test sandboxes".

    Raises:
        IsolationError: this system is not Linux.
    """
    if sys.platform != "linux":
        hint = "run it on a Linux host; `isolation judge`, `report` and `checks` work here"
        raise IsolationError(f"{what}: this system is {sys.platform}, and sandboxes are Linux's", hint)
