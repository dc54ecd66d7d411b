"""The state of a target that a project accepts: the key `accepted` of isolation.yaml, which `isolation init` writes.

Out: frozen `Accepted` entries.  Of a target with such a state every wall that is not listed must hold (policy.py).
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from pytest_isolation.policy.expected import CheckId, Line

BY_PROJECT = "isolation.yaml accepts it"  # the source of an accepted cell begins so
_NUMBERS = re.compile(r"\b0x[0-9a-f]+\b|\b[0-9a-f]{8,}\b|\d+")
Reason = Annotated[str, StringConstraints(max_length=300, pattern=r"^[^\x00-\x1f\x7f]*$")]


class Accepted(BaseModel):
    """
    A check that does not hold on a target, and that the project accepts.

    A run that observes the same verdict for the same reason is no finding, nor is one that cannot observe it.
    Numbers in the reason and the order of its words do not count: process ids, inodes and sizes differ between runs.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    verdict: Literal["open", "ignored", "refused", "unknown"] = Field(description="what was observed")
    because: Reason = Field(default="", description="the check's reason when it was accepted; numbers do not count")
    reason: Reason = Field(default="", description="why the project accepts it: for you to fill in")

    def covers(self, verdict: str, because: str) -> bool:
        """Whether this verdict for this reason was accepted; the policy may have added text to the written reason."""
        if verdict == "unknown":
            return True
        now, then = _NUMBERS.sub("N", because), _NUMBERS.sub("N", self.because)
        return self.verdict == verdict and (_words(now) == _words(then) or then.startswith(f"{now}; "))


State = dict[CheckId, Accepted]
States = dict[Line, State]


def _words(text: str) -> list[str]:
    return sorted(re.split(r"[\s,;]+", text))
