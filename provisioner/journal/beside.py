"""Undoes what dead runs left without delaying a session: what is quick or needed at once, the rest in a thread.

In: what the session uses.  Out: lines.  The thread holds the lock of each journal on which it works.  What it has not
finished at the session's end stays in the journal.
"""

from __future__ import annotations

import threading

from provisioner.deadlines import deadline
from provisioner.faults.explain import explain
from provisioner.journal.lanes import Stop, short_patience
from provisioner.journal.needs import Needs
from provisioner.journal.prune import FAILED, SET_ASIDE, prune_journals, prune_needed, stays, tell_failures
from provisioner.progress import tell

POLL = 0.05  # seconds


class Leftovers:
    """
    What dead runs left, for one session.  Close it.

    Args:
        needs: what the session uses.
    """

    def __init__(self, needs: Needs) -> None:
        self._needs = needs
        self._stop = Stop()
        self._thread: threading.Thread | None = None
        self._names: list[str] = []
        self._lines: list[str] = []

    def undo(self, beside: bool = True) -> None:
        """
        Undo what is quick and what the session needs; tell what is damaged and what stays.

        Args:
            beside: whether a thread undoes the rest; else it stays.
        """
        lines, self._names = prune_needed(short_patience(), self._needs)
        tell_failures(lines)
        if self._names and beside:
            thread = threading.Thread(target=self._undo_rest, name="isolation-leftovers", daemon=True)
            try:
                thread.start()
            except RuntimeError:  # too little memory for a thread: the rest stays
                return
            self._thread = thread

    def stop(self) -> None:
        """Kill what the thread runs; the rest stays in the journals."""
        if self._thread is not None:
            self._stop.now()

    def close(self) -> None:
        """End the thread, after a moment for what it runs; tell in one line what it did and what stays."""
        if self._thread is None:
            return
        self._thread.join(0.0 if self._stop.is_set else deadline("undo.end"))
        while self._thread.is_alive():
            self._stop.now()  # again: it may have started a command meanwhile
            self._thread.join(POLL)
        self._thread = None
        for line in self._lines:
            if line.startswith(SET_ASIDE):
                tell(line)
        if line := _summary(self._lines):
            tell(line)

    def _undo_rest(self) -> None:
        try:
            self._lines += prune_journals(self._names, short_patience(), self._stop)
        except Exception as error:
            known = explain(error)
            if known is None:
                raise
            self._lines.append(known.what)


def _summary(lines: list[str]) -> str:
    """Return one line about what was removed and what stays; "" if there was nothing."""
    removed = sum(not line.startswith((FAILED, SET_ASIDE)) for line in lines)
    parts = [f"things of killed runs removed: {removed}"] if removed else []
    return "; ".join([*parts, *filter(None, [stays(lines)])])
