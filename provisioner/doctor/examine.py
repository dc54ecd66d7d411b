"""Runs looks side by side, each with a deadline, and makes a report of their findings.

In: looks and a System.  Out: `Report`.  A look that raises, or does not end, gives an `unknown` finding with its
reason.  It never ends the other looks.
"""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Sequence

from provisioner.deadlines import deadline
from provisioner.doctor.abilities import judge_abilities
from provisioner.doctor.finding import Finding, Report, Seen, State, unknown
from provisioner.doctor.look import Look
from provisioner.doctor.system import System
from provisioner.errors import IsolationError
from provisioner.progress import step
from provisioner.version import own_version

POLL = 0.1  # seconds between two tests for Ctrl-C
AT_MOST = 8  # looks at once: most looks wait, but those that compute slow each other down


class _Attempt:
    """One look that waits, runs or has ended."""

    def __init__(self, look: Look) -> None:
        self.look = look
        self.started: float | None = None
        self.seen: Seen | None = None
        self.seconds = 0.0
        self._lock = threading.Lock()

    def finish(self, seen: Seen) -> bool:
        """Store the first answer; return False for a second one, which is too late."""
        with self._lock:
            if self.seen is not None:
                return False
            self.seconds = time.monotonic() - (self.started or time.monotonic())
            self.seen = seen
            return True

    @property
    def overdue(self) -> bool:
        """Whether it has started and its deadline is over."""
        return self.started is not None and time.monotonic() - self.started > deadline(self.look.deadline)


def examine(looks: Sequence[Look], system: System) -> Report:
    """
    Run all looks and return their findings in the same order.

    Raises:
        KeyboardInterrupt: the looks that still run are abandoned; closing the system ends what they started.
    """
    started = time.monotonic()
    attempts = [_Attempt(look) for look in looks]
    turns = threading.Semaphore(min(AT_MOST, 2 + (os.cpu_count() or 1)))
    for attempt in sorted(attempts, key=lambda one: -deadline(one.look.deadline)):  # the longest first
        name = f"doctor-{attempt.look.name}"
        threading.Thread(target=_work, args=(attempt, system, turns), name=name, daemon=True).start()
    while waiting := [attempt for attempt in attempts if attempt.seen is None]:
        for attempt in waiting:
            if attempt.overdue:
                told = unknown(f"no answer after {deadline(attempt.look.deadline):.0f} s")
                if attempt.finish(told):
                    turns.release()  # its thread may never release it
        time.sleep(POLL)
    findings = tuple(_finding(attempt) for attempt in attempts)
    counts = Counter(finding.state for finding in findings)
    return Report(
        version=own_version(),
        user=system.user,
        findings=findings,
        abilities=judge_abilities(findings),
        counts={state: counts[state] for state in State},
        seconds=round(time.monotonic() - started, 2),
    )


def _work(attempt: _Attempt, system: System, turns: threading.Semaphore) -> None:
    turns.acquire()
    attempt.started = time.monotonic()
    if attempt.finish(_ask(attempt.look, system)):
        turns.release()


def _ask(look: Look, system: System) -> Seen:
    try:
        with step(f"look at {look.name}"):
            return look.ask(system)
    except IsolationError as error:
        return unknown(error.what, mend=error.hint)
    except Exception as error:  # an unexpected error is the answer of this look only
        return unknown(f"the look failed: {type(error).__name__}: {error}")


def _finding(attempt: _Attempt) -> Finding:
    look, seen = attempt.look, attempt.seen
    assert seen is not None  # examine() waits for every look
    works = seen.state in (State.OK, State.LIMITED)
    gives = look.decides if seen.gives is None else seen.gives
    return Finding(
        group=look.group,
        name=look.name,
        state=seen.state,
        seen=seen.seen,
        cost=seen.cost,
        mend=seen.mend,
        note=seen.note,
        decides=look.decides,
        gives=gives if works else (),
        needed_for=look.needed_for,
        seconds=round(attempt.seconds, 2),
    )
