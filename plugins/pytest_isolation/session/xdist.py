"""Keeps each target on one worker of pytest-xdist, and all targets of one machine together.

A destructive test restores the whole machine from its snapshot, so no other worker may use it.

`--dist loadgroup` is silently ignored by pytest 9.2 with xdist 3.8 (xdist issue 1386), so the scope is read from the
test's own parameters.
"""

from __future__ import annotations

from collections.abc import Iterable

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

from pytest_isolation.session.state import STATE


class TargetScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist ships no types for it
    """
    LoadScopeScheduling by target: the scope is the target that the test id names in its brackets.

    A test that ends its worker is not run again: LoadScopeScheduling gives it to the next worker, which ends too.
    """

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid, self.config.stash[STATE].targets)

    def remove_node(self, node: WorkerController) -> str | None:
        """
        Give the other tests of a worker that died to others; return the test that it ran.

        Args:
            node: the worker; one that ended in order had no tests left.
        """
        units = self.assigned_work.pop(node)
        left = [(scope, test) for scope, unit in units.items() for test, done in unit.items() if not done]
        if not left:
            return None
        scope, ended = left[0]  # a worker runs them in this order
        units[scope][ended] = True
        for scope in dict.fromkeys(scope for scope, test in left[1:]):
            self.workqueue[scope] = units[scope]
        for other in self.nodes:
            self._reschedule(other)
        return ended

    def _reschedule(self, node: WorkerController) -> None:
        """Give a worker more tests if it has few; with a single one it would wait, since it never runs its last one."""
        super()._reschedule(node)
        has_collected = node in self.registered_collections
        while self.workqueue and has_collected and not node.shutting_down:
            if self._pending_of(self.assigned_work[node]) > 1:
                return
            self._assign_work_unit(node)

    def _assign_work_unit(self, node: WorkerController) -> None:
        """Assign tests to a worker; one that replaces a dead one may not have collected yet, and gets them then."""
        if self.workqueue and node in self.registered_collections:
            super()._assign_work_unit(node)


def scope_of(nodeid: str, targets: Iterable[str]) -> str:
    """
    Return what must stay on one worker: the target of a test, or the machine of that target.

    Args:
        nodeid: the id of the test, with its parameters in brackets.
        targets: the ids of the session's targets.

    Returns:
        The scope; for a test without a target its own id.
    """
    _, _, names = nodeid.partition("::")  # a folder may have a bracket in its name
    parameters = names.partition("[")[2].rpartition("]")[0]
    text = f"-{parameters}-"
    named = [target for target in targets if f"-{target}-" in text]
    if not named:
        return nodeid
    # our parameter is the first one: a value of another one may be the name of a target too
    first = min(named, key=lambda target: (text.index(f"-{target}-"), -len(target)))
    return first.partition("/")[0]
