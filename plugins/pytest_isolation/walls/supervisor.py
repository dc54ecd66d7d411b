"""The program that starts a sandbox's first process from inside: bubblewrap's, firejail's and srt's pid 1.

In: both views of one sandbox.  Out: its tasks without that program.  Pure.
Such a program runs no code of the payload.  It keeps what it took from the payload, so it would be the weakest task.
It counts as long as the payload may take it over: ptrace(2), "Ptrace access mode checking".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from provisioner.facts.document import Facts
from provisioner.facts.process import TaskState

REFUSED = frozenset({"EACCES", "EPERM"})


def without_supervisor(outside: Facts, inside: Any) -> Sequence[TaskState]:
    """
    Return the tasks of a sandbox; the first process of its pid namespace is left out if the subject cannot reach it.

    The subject tries to open /proc/PID/maps of that process.

    Args:
        outside: the host's view.
        inside: the subject's view, or why there is none.
    """
    tasks = outside.tasks or ()
    if not isinstance(inside, Facts) or inside.system is None or not tasks:
        return tasks
    numbers = outside.process.raw("nspid")
    if not isinstance(numbers, list) or numbers[-1] == 1:
        return tasks
    if inside.system.raw("init_maps") not in REFUSED:
        return tasks
    pids = outside.process.namespaces.raw("pid")
    first = {task.process for task in tasks if task.namespaces.raw("pid") == pids and _last(task) == 1}
    return [task for task in tasks if task.process not in first]


def _last(task: TaskState) -> int:
    """Return the number of a task in its own pid namespace; 0 if it is not known."""
    numbers = task.raw("nspid")
    return numbers[-1] if isinstance(numbers, list) else 0
