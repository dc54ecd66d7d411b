"""What is done to a program at a moment: `STRIKES`.

A strike does not wait for the program's end.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from contextlib import suppress

from faults.home import Home
from faults.running import Running

GAP = 0.5  # seconds between two signals: a person's second Ctrl-C, a supervisor's second try

Strike = Callable[[Home, Running], None]


def signals(*names: str, group: bool = False) -> Strike:
    """Return a strike by signals, one after the other."""

    def strike(home: Home, program: Running) -> None:
        for number, name in enumerate(names):
            if number:
                time.sleep(GAP)
            program.send(name, group)

    return strike


def kill_children(words: str) -> Strike:
    """Return a strike that kills every process of the home with these words in its command line, and ends WAITS."""

    def strike(home: Home, program: Running) -> None:
        for pid, line in home.processes().items():
            if words in line and pid != program.process.pid:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        home.mark("struck")

    return strike


STRIKES: dict[str, Strike] = {
    "KILL": signals("KILL"),
    "INT": signals("INT"),
    "INT INT": signals("INT", "INT"),
    "INT INT INT": signals("INT", "INT", "INT"),
    "Ctrl-C": signals("INT", group=True),
    "TERM": signals("TERM"),
    "TERM INT": signals("TERM", "INT"),
    "INT TERM": signals("INT", "TERM"),
    "HUP": signals("HUP"),
    "probe killed": kill_children("/probe serve"),
    "host's probe killed": kill_children("/cache/probe-"),
}
