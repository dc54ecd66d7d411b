"""A program that was started: its output, its journal, signals to it, and waiting for it with a bound."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from provisioner.linux.processes import Process, read_process, with_descendants

if TYPE_CHECKING:
    from faults.home import Home

POLL = 0.002  # seconds
MOMENT = 180.0  # seconds until a moment must have come: an emulated guest starts within 40 s where all is busy
SESSION = 180.0  # seconds that a whole session may take; what hangs fails
TRACEBACK = re.compile(
    r"^.*(Traceback \(most recent call last\)|Exception ignored|INTERNALERROR|Fatal Python error|"
    r'^ *File "[^"]+", line \d+).*$',
    re.MULTILINE,
)


class Running:
    """
    A started program.

    Attributes:
        process: its process, the leader of a session of its own: `send(…, group=True)` is a terminal's Ctrl-C.
        output: the file that holds what it wrote to both streams.
        entries: what its journal said until now, entries that were undone too.
        seconds: how long `finish` waited.
    """

    def __init__(self, argv: Sequence[str], cwd: Path, env: Mapping[str, str], output: Path, home: Home) -> None:
        self.output, self._home = output, home
        self.entries: dict[tuple[str, int], dict[str, Any]] = {}
        self.seconds = 0.0
        with output.open("ab") as file:
            self.process = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                cwd=cwd,
                env=env,
                start_new_session=True,
                restore_signals=True,
            )
        self._over = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self) -> None:
        """Remember each run and what its journal says: at the run's end it deletes it."""
        while not self._over.wait(0.01):
            self.read_journals()

    def read_journals(self) -> None:
        """Remember what the journals of the home say now."""
        for file in (self._home.path / "run" / "runs").glob("*.jsonl"):
            self._home.ids.add(file.stem)
            with contextlib.suppress(OSError):
                for line in file.read_text(errors="replace").splitlines():
                    with contextlib.suppress(ValueError, TypeError):
                        entry = json.loads(line)
                        if "made" in entry:
                            self.entries[file.stem, entry["made"]] = entry

    @property
    def text(self) -> str:
        """What it wrote until now."""
        return self.output.read_text(errors="replace")

    def await_(self, condition: Callable[[], object], what: str, seconds: float = MOMENT) -> None:
        """
        Wait for a moment of the program.

        Args:
            condition: looks from outside.
            what: the moment, for the error.
            seconds: the bound.

        Raises:
            AssertionError: the program ended before, or the moment did not come in time.
        """
        until = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, f"it ended before: {what}\n{self.text}"
            assert time.monotonic() < until, f"not within {seconds:.0f} s: {what}\n{self.text}"
            time.sleep(POLL)

    def descendants(self) -> list[Process]:
        """Return its descendants; those of a sandbox do not all name the home."""
        me = read_process(self.process.pid)
        return [one for one in with_descendants([me] if me else []) if one.pid != self.process.pid]

    def send(self, name: str, group: bool = False) -> None:
        """
        Send it a signal.

        Args:
            name: "INT".
            group: whether its process group gets the signal too, as from a terminal.
        """
        number = signal.Signals[f"SIG{name}"]
        with contextlib.suppress(ProcessLookupError):
            if group:
                os.killpg(self.process.pid, number)
            else:
                self.process.send_signal(number)

    def finish(self, seconds: float = SESSION) -> int:
        """Wait for its end; returns its exit status, an AssertionError if it takes longer."""
        started = time.monotonic()
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"it still runs after {seconds:.0f} s\n{self.text}") from None
        finally:
            self.seconds = time.monotonic() - started
            self.read_journals()
        return self.process.returncode

    def broken(self, statuses: Collection[int]) -> list[str]:
        """Return what an ended program broke: a traceback in its output, another exit status."""
        found = [f"its output has: {match.group(0).strip()}" for match in TRACEBACK.finditer(self.text)][:3]
        if self.process.returncode not in statuses:
            found.append(f"its exit status is {self.process.returncode}, not one of {sorted(statuses)}")
        return found

    def kill(self) -> None:
        """Kill it if it has not ended; what it started is ended by its home."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(60)
        self._over.set()
        self._watcher.join(5)
