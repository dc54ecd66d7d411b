"""Keeps each target on one worker of pytest-xdist.

`--dist loadgroup` is silently ignored by pytest 9.2 with xdist 3.8 (xdist issue 1386), so the scope is read from the
test's own parameters.
"""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling


class TargetScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types for it
    """LoadScopeScheduling whose scope is the text in the test id's brackets: the target comes first in it."""

    def _split_scope(self, nodeid: str) -> str:
        path, bracket, parameters = nodeid.partition("[")
        return parameters.removesuffix("]") if bracket else path
