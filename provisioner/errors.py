"""The one error type for faults of this project or of a machine; never for an open wall.

pytest_isolation turns an IsolationError into `pytest.UsageError`, an error of a target, or the verdict `unknown`.  An
open wall is an AssertionError.
"""

from __future__ import annotations


class IsolationError(Exception):
    """
    Something could not be done.

    Args:
        what: one line that starts with "cannot VERB" and quotes the object.
        hint: one line that says what to do about it; "" if nothing is known to help.
        log: the last lines of a failed command's output, shown with -v only.
    """

    def __init__(self, what: str, hint: str = "", log: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint
        self.log = log

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what
