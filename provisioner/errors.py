"""The errors of this project: what could not be done, and what could not be observed.

`IsolationError` is a fault of this project or of a machine.  pytest_isolation turns it into `pytest.UsageError`, an
error of a test, or the verdict `unknown`.  `UnobservedFact` means that a check read a fact that is unobserved.  An
open wall is neither: it is an AssertionError.
"""

from __future__ import annotations

import os
import re

LONGEST = 600  # characters of a text or a hint: a file may hold a name of any length


class IsolationError(Exception):
    """
    Something could not be done.

    Files, sandboxes and commands choose parts of the text: what is not printable becomes "?", a line break a space, and
    the middle of a long text "…".

    Args:
        what: one line that starts with "cannot VERB" and quotes the object.
        hint: one line that says what to do about it; "" if nothing is known to help.
        log: the last lines of a failed command's output, shown with -v only.
    """

    def __init__(self, what: str, hint: str = "", log: str = "") -> None:
        super().__init__(what := _shorten(one_line(what)))
        self.what = what
        self.hint = _shorten(one_line(hint))
        self.log = log

    def __str__(self) -> str:
        return f"{self.what}; {self.hint}" if self.hint else self.what


def _shorten(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST // 2]}…{text[-LONGEST // 2 :]}"


def unless_root(hint: str, otherwise: str = "") -> str:
    """Return a hint that asks for root, or `otherwise` if this user is root already."""
    return hint if os.geteuid() else otherwise


def one_line(text: str) -> str:
    """Return a text as one printable line: a line break becomes a space, what is not printable "?"."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else "?" for c in re.sub(r"\s*[\r\n]\s*", " ", text))


class UnobservedFact(Exception):
    """
    A check touched a fact that could not be observed; its verdict is `unknown`.

    Args:
        name: the fact, as a dotted path where it is known.
        errno: the error's name (errno(3)), or "" where no system call failed.
        why: what was tried.
    """

    def __init__(self, name: str, errno: str, why: str) -> None:
        super().__init__(f"{name} could not be observed: {why}{f' ({errno})' if errno else ''}")
        self.name = name
        self.errno = errno
        self.why = why
