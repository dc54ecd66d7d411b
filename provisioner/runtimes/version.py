"""The versions that a runtime reports: its own, and those of the programs that it uses.

In: a runtime's `version` and the output of its command.  Out: texts such as "1.1.5+ds1-1+deb12u1".
pytest_isolation.policy.versions compares them.
"""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict


class Version(BaseModel):
    """
    How to learn a runtime's version.

    Attributes:
        argv: the command.
        match: a pattern; its first group is the version, its second the package's version, if the output has one.
        of: the name of the program, if it is not the runtime's.
        parts: patterns for further programs in the same output, by name.
        others: patterns that only another program's output matches, by its name: podman answers behind `docker`.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    argv: list[str]
    match: str
    of: str = ""
    parts: dict[str, str] = {}
    others: dict[str, str] = {}

    def other(self, answer: bytes) -> str:
        """Return the name of the program that answers instead of the runtime; "" if it is the runtime itself."""
        text = answer.decode("utf-8", "replace")
        return next((name for name, match in self.others.items() if re.search(match, text)), "")

    def read(self, answer: bytes) -> str:
        """Return the version in the command's output; "" if there is none."""
        return _read(self.match, answer.decode("utf-8", "replace"))

    def read_parts(self, answer: bytes) -> dict[str, str]:
        """Return the versions of further programs in the command's output, by name."""
        text = answer.decode("utf-8", "replace")
        return {name: version for name, match in self.parts.items() if (version := _read(match, text))}


def _read(match: str, text: str) -> str:
    """
    Return the version that a pattern finds in a text; "" if there is none.

    A package's version replaces the version that it begins with ("1.1.5+ds1-1"), else it is appended
    ("7.2.22 (7.2+dfsg-7)").
    """
    found = re.search(match, text)
    version, package = (*(found.groups("") if found else ()), "", "")[:2]
    if not package:
        return version
    return package if package.startswith(version) else f"{version} ({package})"
