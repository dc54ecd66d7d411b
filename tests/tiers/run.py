"""Runs lanes by tox: each with a log of its own, and what failed once more, alone."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import IO

from tiers.commands import ROOT
from tiers.host import HostState, Watched, blame
from tiers.lanes import Lane
from tiers.report import Result, State
from tiers.schedule import AT_ONCE, Job, phases

BIN = Path(sys.executable).parent
TOX = (sys.executable, "-m", "tox", "run")
LOOKS, PAUSE = 24, 5.0  # seconds: a session that runs beside is over within two minutes
TESTS_FAILED = 1  # pytest's exit status where all tests ran; tox hands it on
# tests whose outcome rests on what ran before them in the session
REST = ("tests/e2e/session/", "tests/e2e/machine/")


class Runner:
    """
    Runs lanes and keeps how they ended.

    Args:
        lanes: what runs.
        arguments: further arguments for pytest.
        work: the folder of the logs, of what failed last, and of the wheel.
        tox: the command that runs an environment.
        look: reads the state of this machine.
        pause: seconds until it is read again, up to LOOKS times, while lanes seem to have changed it.

    Attributes:
        changed: one line for each thing on this machine that lanes left in another state.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        arguments: Sequence[str],
        work: Path = ROOT / ".tox",
        tox: Sequence[str] = TOX,
        look: Callable[[], HostState] = HostState.now,
        pause: float = PAUSE,
    ) -> None:
        self.lanes = lanes
        self.arguments = arguments
        self.results = {lane.name: Result(lane, "not run") for lane in lanes}
        self._logs, self._caches = work / "logs", work / "last-failed"
        self._tox = tox
        self._look = look
        self._pause = pause
        self._watched: list[Watched] = []
        self.changed: list[str] = []
        self._statuses: dict[str, int] = {}
        self._show = len(lanes) == 1
        self._print = threading.Lock()
        self._processes: set[subprocess.Popen[bytes]] = set()
        self._stopped = False
        for folder in (self._logs, self._caches):
            shutil.rmtree(folder, ignore_errors=True)
        self._logs.mkdir(parents=True)

    def run(self) -> list[Result]:
        """Run all, then what failed once more; returns how each ended, in the order of the lanes."""
        quick, beside, alone = phases(self.lanes)
        for jobs, at_once in ((quick, AT_ONCE), (beside, AT_ONCE), (alone, 1)):
            self._run_jobs(jobs, at_once)
        failed = [result.lane for result in self.results.values() if result.state == "failed" and result.lane.again]
        for jobs in phases(failed):
            self._run_jobs(jobs, 1, again=True)
        return list(self.results.values())

    def _run_jobs(self, jobs: Sequence[Job], at_once: int, again: bool = False) -> None:
        """Run jobs, and compare this machine before and after them."""
        if not jobs:
            return
        before = self._look()
        self._watched.clear()
        self._run_beside(jobs, at_once, again)
        self.changed += self._lasting(lambda: blame(before, self._look(), self._watched))

    def _lasting(self, changes: Callable[[], list[str]]) -> list[str]:
        """Return the changes that are still there later: a run beside this one has sandboxes too, and ends them."""
        lines = changes()
        for _ in range(LOOKS):
            if not lines:
                break
            time.sleep(self._pause)
            now = changes()
            lines = [line for line in lines if line in now]
        return lines

    def _run_beside(self, jobs: Iterable[Job], at_once: int, again: bool) -> None:
        with ThreadPoolExecutor(at_once) as threads:
            running = [threads.submit(self._run_job, job, again) for job in jobs]
            try:
                for one in running:
                    one.result()
            except BaseException as error:
                # Nothing more begins, and what runs is waited for. Ctrl-C reaches a single lane by itself.
                self._stopped = True
                if isinstance(error, SystemExit) or not self._show:
                    for process in list(self._processes):
                        self._interrupt(process)
                raise

    def _interrupt(self, process: subprocess.Popen[bytes]) -> None:
        """Send what a terminal sends: all that belongs to a lane gets the signal, not only its first process."""
        with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
            if self._show:
                process.send_signal(signal.SIGINT)
            else:
                os.killpg(process.pid, signal.SIGINT)

    def _run_job(self, job: Job, again: bool) -> None:
        if self._stopped:
            return
        # without root there is no machine, and its tests say so
        machine = job.machine if os.geteuid() == 0 else ""
        try:
            if machine and not self._up(job, machine):
                return
            for lane in job.lanes:
                if not self._stopped:
                    self._run_lane(lane, again)
        finally:
            if machine:
                subprocess.run([BIN / "provisioner", "down", machine], cwd=ROOT)

    def _up(self, job: Job, machine: str) -> bool:
        """Start a machine, which counts for its first lane; where it does not start, all of its lanes failed."""
        log = self._logs / f"up-{machine}.log"
        status, seconds = self._command(f"up {machine}", [str(BIN / "provisioner"), "up", machine], log)
        first, *others = job.lanes
        if not status:
            self.results[first.name] = replace(before := self.results[first.name], seconds=before.seconds + seconds)
            return True
        self._note(first, False, seconds, log)
        for lane in others:
            self._note(lane, False, 0.0, log)
        return False

    def _run_lane(self, lane: Lane, again: bool) -> None:
        cache = self._caches / lane.name
        words = ["-o", f"cache_dir={cache}"] if not lane.whole else []
        words += ["--lf"] if again and words and self._only_failed(lane, cache) else []
        argv = [*self._tox, "-e", lane.name, "--", *words, *self.arguments]
        log = self._logs / f"{lane.name}{'-again' if again else ''}.log"
        before = self._look()
        status, seconds = self._command(lane.name + " once more" * again, argv, log)
        self._watched.append(Watched(lane.name, before, self._look()))
        self._statuses[lane.name] = status
        self._note(lane, status == 0, seconds, log)

    def _only_failed(self, lane: Lane, cache: Path) -> bool:
        """
        Return whether a second try may run only the tests that failed.

        Not if the first one broke off (a collection error, an internal error, `-x`), for then others never ran; and not
        if a test failed that looks at what the rest of the session did.
        """
        noted = cache / "v" / "cache" / "lastfailed"  # as pytest's cacheprovider writes it
        failed = list(json.loads(noted.read_text())) if noted.is_file() else []
        complete = self._statuses[lane.name] == TESTS_FAILED and not self.arguments
        # a module that could not be collected, and a worker of xdist, have no "::" in their names
        return complete and bool(failed) and all("::" in name and not name.startswith(REST) for name in failed)

    def _note(self, lane: Lane, passed: bool, seconds: float, log: Path) -> None:
        before = self.results[lane.name]
        state: State = "failed" if not passed else "flaky" if before.state == "failed" else "passed"
        logs = before.logs if passed else (*before.logs, log)
        self.results[lane.name] = Result(lane, state, before.seconds + seconds, logs)

    def _command(self, name: str, argv: Sequence[str], log: Path) -> tuple[int, float]:
        """Run a command into a log, which is shown at its end, or at once where there is but one lane."""
        started = time.monotonic()
        print(f"run {name}", flush=True)
        with log.open("wb", buffering=0) as file, self._start(argv, file) as process:
            self._processes.add(process)
            while process.stdout is not None and (data := os.read(process.stdout.fileno(), 1 << 16)):
                file.write(data)
                _write(data)
        self._processes.discard(process)
        seconds = time.monotonic() - started
        end = f"{name}: exit status {process.returncode} after {seconds:.0f} s\n"
        with log.open("a") as more:
            more.write(end)
        with self._print:
            _write(end.encode() if self._show else log.read_bytes())
        return process.returncode, seconds

    def _start(self, argv: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a command: alone it has the terminal, beside others its own session and no way to hold up the run."""
        if self._show:
            return subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        return subprocess.Popen(
            argv, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
        )


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
