"""What holds after a fault: after the program's end, and after one `provisioner prune`."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass

from faults.home import Home
from faults.running import Running
from faults.world import World, difference

SOON = 8.0  # seconds in which processes end by themselves: the child of a stand-in that is `slow` needs five


@dataclass(frozen=True)
class Promise:
    """
    What holds.

    Args:
        statuses: the exit statuses of the program; negative: the signal that killed it.
        seconds: how long it may take to end after the strike.
        clean: whether nothing is left before the prune already.
        orphans: whether a runtime's client that hangs may live until the prune.
        prune: how many seconds the prune may take: ten on a machine that does nothing else.
        results: whether DIR/results.json holds what was finished before the strike.
    """

    statuses: frozenset[int] | set[int]
    seconds: float = 15.0
    clean: bool = True
    orphans: bool = False
    prune: float = 30.0
    results: bool = False

    def broken(self, home: Home, program: Running, before: World) -> list[str]:
        """Return what does not hold, one line each; prunes the home."""
        lines = program.broken(self.statuses)
        lines += self._results(home)
        if self.clean:
            lines += [f"left at its end: {line}" for line in left_soon(home, before)]
        elif not self.orphans:
            lines += [f"left {SOON:.0f} s after its end: {line}" for line in left_soon(home, before, "process ")]
        home.release()
        started = time.monotonic()
        try:
            home.prune()
        except AssertionError as error:
            lines.append(f"prune fails: {error}")
        if (took := time.monotonic() - started) > self.prune:
            lines.append(f"prune takes {took:.0f} s, not {self.prune:.0f}")
        return lines + [f"left after prune: {line}" for line in difference(before, World.now(home))]

    def _results(self, home: Home) -> list[str]:
        """A file under its final name is whole."""
        path = home.work / "report" / "results.json"
        if not path.exists():
            return ["no results were written"] if self.results else []
        try:
            cells = json.loads(path.read_text())["cells"]
        except OSError:
            return []  # a test put something else there
        except (ValueError, KeyError) as error:
            return [f"results.json is damaged: {error}"]
        return ["results.json has no cell"] if self.results and not cells else []


def left_soon(home: Home, before: World, kind: str = "") -> list[str]:
    """
    Return what is left of a program, after the time that its processes have to end.

    Args:
        home: the program's home.
        before: what there was before the program.
        kind: the beginning of the lines that count, "process " for instance.
    """
    until = time.monotonic() + SOON
    while True:
        looked = time.monotonic()
        left = [line for line in difference(before, World.now(home)) if line.startswith(kind)]
        if not left or looked > until:
            return left
        time.sleep(0.1)
