"""Which versions a runtime tells of: its own, and those of what it makes sandboxes with.

In: a runtime's `version` and the answer of its command.  Out: texts such as "1.1.5+ds1-1+deb12u1".
Called by pytest_isolation's describe.py and the doctor.  Compares nothing: pytest_isolation.policy.versions does.
"""

from __future__ import annotations

import re

from pydantic import BaseModel, ConfigDict


class Version(BaseModel):
    """
    How to learn a runtime's version.

    Attributes:
        argv: the command.
        match: a pattern whose first group is the version; a second one is the package that it was built as, if told.
        of: whose version it is, where that is not the runtime's name.
        parts: the same kind of pattern for what else the command tells of.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")
    argv: list[str]
    match: str
    of: str = ""
    parts: dict[str, str] = {}

    def read(self, answer: bytes) -> str:
        """Return the version in the command's answer; "" where there is none."""
        return _read(self.match, answer.decode("utf-8", "replace"))

    def read_parts(self, answer: bytes) -> dict[str, str]:
        """Return the versions of the parts that the answer names."""
        text = answer.decode("utf-8", "replace")
        return {name: version for name, match in self.parts.items() if (version := _read(match, text))}


def _read(match: str, text: str) -> str:
    """
    Return what a pattern finds.

    A package that begins with the version stands for it ("1.1.5+ds1-1"), another follows it ("7.2.22 (7.2+dfsg-7)").
    """
    found = re.search(match, text)
    version, package = (*(found.groups("") if found else ()), "", "")[:2]
    if not package:
        return version
    return package if package.startswith(version) else f"{version} ({package})"
