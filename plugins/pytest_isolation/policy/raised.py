"""What a check raises: the wall is open, a limit is not in force or was refused, the check is not asked.

Imports only pytest.  A test of a user may also fail by `assert`.
"""

from __future__ import annotations

import pytest


class Open(AssertionError):
    """The wall does not hold; a check raises it with the cause.  `assert` is dropped by python -O."""


class Ignored(AssertionError):
    """The runtime accepted a limit and it is not in force; a check raises it with the observed value."""


class Refused(AssertionError):
    """The runtime refused to set a limit; a check raises it with the runtime's message."""


class NotAsked(pytest.skip.Exception):  # type: ignore[name-defined,misc]  # pytest sets the attribute
    """The check has no meaning for this target, or may not act on it: pytest skips the test."""

    __module__, __qualname__ = "builtins", "Skipped"  # pytest shows a reason with them, as of its own exception
