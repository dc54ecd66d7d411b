"""The one error type for faults that are ours or the machine's, never the boundary's.

In: what could not be done, and what mends it.  Out: an exception whose text is one line.
Raised all over provisioner; pytest_isolation turns it into `pytest.UsageError`, an error of a target, or a verdict
`unknown`.  A wall that is open is an AssertionError and never one of these.
"""

from __future__ import annotations


class IsolationError(Exception):
    """
    Something this project needed could not be done.

    Args:
        what: one line that starts with "cannot <verb>" and quotes the object.
        hint: one line that says what mends it; empty when nothing is known to.
        log: the last lines of a failed command's output, shown with -v only.
    """

    def __init__(self, what: str, hint: str = "", log: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.log = log

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what
