"""Keeps each target on one worker of pytest-xdist, and all targets of one machine together.

A destructive test restores the whole machine from its snapshot, so no other worker may use it.

`--dist loadgroup` is silently ignored by pytest 9.2 with xdist 3.8 (xdist issue 1386), so the scope is read from the
test's own parameters.
"""

from __future__ import annotations

from collections.abc import Iterable

from xdist.scheduler import LoadScopeScheduling

from pytest_isolation.session.state import STATE


class TargetScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types for it
    """LoadScopeScheduling by target: the scope is the target that the test id names in its brackets."""

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid, self.config.stash[STATE].targets)


def scope_of(nodeid: str, targets: Iterable[str]) -> str:
    """
    Return what must stay on one worker: the target of a test, or the machine of that target.

    Args:
        nodeid: the id of the test, with its parameters in brackets.
        targets: the ids of the session's targets.

    Returns:
        The scope; for a test without a target its own id.
    """
    _, bracket, parameters = nodeid.partition("[")
    text = f"-{parameters.removesuffix(']')}-"
    named = [target for target in targets if f"-{target}-" in text]
    return max(named, key=len).partition("/")[0] if bracket and named else nodeid
