"""The profiles that a run can demand, by name and version.

In: the text of `--isolation-profile`.  Out: a frozen `Profile`.
The levels are those of the Kubernetes Pod Security Standards: privileged < baseline < restricted.
The version is that of this project's set of checks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from provisioner.errors import IsolationError
from provisioner.files.suggest import nearest
from pytest_isolation.policy.verdict import LEVELS, Check

VERSIONS = (1,)


@dataclass(frozen=True)
class Profile:
    """A level and the version of the set of checks that it demands."""

    level: str
    version: int

    def __str__(self) -> str:
        return f"{self.level}@{self.version}"

    def requires(self, check: Check, kind: str) -> bool:
        """Whether this profile demands that `check` holds on targets of `kind`."""
        level = check.level_for(kind)
        return bool(level) and LEVELS.index(level) <= LEVELS.index(self.level)


def parse_profile(text: str) -> Profile:
    """
    Read "baseline@1"; without a version, the newest.

    Raises:
        IsolationError: the profile or its version does not exist; the hint names the nearest.
    """
    name, at, version = text.strip().partition("@")
    if name not in LEVELS:
        near = nearest(name.lower(), LEVELS, 0.4)
        hint = f"did you mean '{near}@{VERSIONS[-1]}'?" if near else f"known: {', '.join(LEVELS)}"
        raise IsolationError(f"cannot use the profile '{text}': there is no such profile", hint=hint)
    if not at:
        return Profile(name, VERSIONS[-1])
    if not re.fullmatch(r"[1-9][0-9]{0,3}", version) or int(version) not in VERSIONS:
        known = ", ".join(f"'{name}@{number}'" for number in VERSIONS)
        raise IsolationError(f"cannot use the profile '{text}': there is no such version", hint=f"known: {known}")
    return Profile(name, int(version))
