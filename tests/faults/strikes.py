"""What is done to a program at a moment: `STRIKES`.

A strike does not wait for the program's end.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path

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


def sandbox_processes(home: Home, program: Running) -> Iterator[int]:
    """Yield the pids of the probes in sandboxes, and of the hypervisors of virtual machines."""
    # a container of podman is no descendant, and one of unshare does not name the home
    for pid in {*(process.pid for process in program.descendants()), *home.processes()}:
        with suppress(OSError):
            words = Path(f"/proc/{pid}/cmdline").read_bytes()
            if words.startswith(b"/probe\0serve\0") or b"\0-kernel\0" in words:
                yield pid


def host_probes(home: Home, program: Running) -> Iterator[int]:
    """Yield the pids of the probes that look at sandboxes from outside."""
    for pid, line in home.processes().items():
        if "/cache/probe-" in line.partition(" serve ")[0]:
            yield pid


def kill(pids: Callable[[Home, Running], Iterable[int]]) -> Strike:
    """Return a strike that kills processes, at least one, and ends WAITS."""

    def strike(home: Home, program: Running) -> None:
        found = list(pids(home, program))
        for pid in found:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        home.mark("struck")
        assert found, "there was nothing to kill"

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
    "probe killed": kill(sandbox_processes),
    "host's probe killed": kill(host_probes),
}
