"""Runs lanes by tox: each with a log of its own, and what failed once more, alone."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from tiers.commands import ROOT
from tiers.lanes import Lane
from tiers.report import Result, State
from tiers.schedule import AT_ONCE, Job, phases

BIN = Path(sys.executable).parent
TOX = (sys.executable, "-m", "tox", "run")


class Runner:
    """
    Runs lanes and keeps how they ended.

    Args:
        lanes: what runs.
        arguments: further arguments for pytest.
        work: the folder of the logs, of what failed last, and of the wheel.
        tox: the command that runs an environment.
    """

    def __init__(
        self, lanes: Sequence[Lane], arguments: Sequence[str], work: Path = ROOT / ".tox", tox: Sequence[str] = TOX
    ) -> None:
        self.lanes = lanes
        self.arguments = arguments
        self.results = {lane.name: Result(lane, "not run") for lane in lanes}
        self._logs, self._caches = work / "logs", work / "last-failed"
        self._tox = tox
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

    def _run_jobs(self, jobs: Iterable[Job], at_once: int, again: bool = False) -> None:
        with ThreadPoolExecutor(at_once) as threads:
            running = [threads.submit(self._run_job, job, again) for job in jobs]
            try:
                for one in running:
                    one.result()
            except BaseException as error:
                # Nothing more begins, and what runs is waited for. Ctrl-C reaches it by itself, SIGTERM does not.
                self._stopped = True
                if isinstance(error, SystemExit):
                    for process in list(self._processes):
                        process.send_signal(signal.SIGINT)
                raise

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
        words += ["--lf"] if again and words and cache.exists() else []
        argv = [*self._tox, "-e", lane.name, "--", *words, *self.arguments]
        log = self._logs / f"{lane.name}{'-again' if again else ''}.log"
        status, seconds = self._command(lane.name + " once more" * again, argv, log)
        self._note(lane, status == 0, seconds, log)

    def _note(self, lane: Lane, passed: bool, seconds: float, log: Path) -> None:
        before = self.results[lane.name]
        state: State = "failed" if not passed else "flaky" if before.state == "failed" else "passed"
        logs = before.logs if passed else (*before.logs, log)
        self.results[lane.name] = Result(lane, state, before.seconds + seconds, logs)

    def _command(self, name: str, argv: Sequence[str], log: Path) -> tuple[int, float]:
        """Run a command into a log, which is shown at its end, or at once where there is but one lane."""
        started = time.monotonic()
        print(f"run {name}", flush=True)
        stdin = None if self._show else subprocess.DEVNULL
        with (
            log.open("wb", buffering=0) as file,
            subprocess.Popen(argv, cwd=ROOT, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process,
        ):
            self._processes.add(process)
            while data := os.read(process.stdout.fileno(), 1 << 16):  # type: ignore[union-attr]
                file.write(data)
                if self._show:
                    _write(data)
        self._processes.discard(process)
        seconds = time.monotonic() - started
        end = f"{name}: exit status {process.returncode} after {seconds:.0f} s\n"
        with log.open("a") as more:
            more.write(end)
        with self._print:
            _write(end.encode() if self._show else log.read_bytes())
        return process.returncode, seconds


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()
