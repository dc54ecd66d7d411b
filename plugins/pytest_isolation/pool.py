"""Where sandboxes are leased from: all targets are set up side by side, once, and observed once.

In: targets and a Host.  Out: one `Record` for each target, live sandboxes for tests that act, and what failed.
Called by plugin.py (session) and fixtures.py (tests).  Lives outside the fixtures, so that a session with workers
gathers in its controller and the workers judge what was gathered.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from provisioner.errors import IsolationError
from provisioner.host import Host
from provisioner.progress import step
from provisioner.sandboxes.loads import measure_loads, measure_reach
from provisioner.sandboxes.measured import Load, Loads, Reach, Reaches
from provisioner.sandboxes.observed import unobserved
from provisioner.sandboxes.sandbox import Sandbox, Spec
from pytest_isolation.observe import observe, seen
from pytest_isolation.record import Record
from pytest_isolation.targets import Target, instead_of


class Pool:
    """
    The sandboxes and records of one session, or of one worker of it.

    Args:
        targets: the columns of the matrix.
        host: makes the host on first use: a worker that only judges records never starts one.
        records: what a controller gathered already, by target id.
    """

    def __init__(self, targets: Iterable[Target], host: Callable[[], Host], records: dict[str, Record] | None = None):
        self.targets = {target.id: target for target in targets}
        self.records = dict(records or {})
        self.failures: dict[str, IsolationError] = {}
        self.probes_run = 0
        self.recreated = 0
        self.times: dict[str, dict[str, float]] = {}
        self._make_host = host
        self._host: Host | None = None
        self._sandboxes: dict[tuple[str, bool], Sandbox] = {}
        self._leased: list[Sandbox] = []
        self._locks: dict[str, threading.Lock] = {}
        self._lock = threading.RLock()
        self._ahead: ThreadPoolExecutor | None = None
        self._stopped = False

    @property
    def host(self) -> Host:
        """The host, started on first use."""
        with self._lock:
            if self._host is None:
                self._host = self._make_host()
            return self._host

    def gather(self) -> None:
        """
        Set up every target and look at it, side by side; what fails is kept in `failures` by target id.

        A thread of its own does it while this one waits: Ctrl-C and SIGTERM then interrupt the waiting, never something
        half made, and what is under way is ended before the session goes down.
        """
        failed: list[BaseException] = []
        worker = threading.Thread(target=self._work, args=(failed,), name="isolation-gather", daemon=True)
        worker.start()
        try:
            while worker.is_alive():
                worker.join(0.2)
        except BaseException:
            self._stopped = True
            while worker.is_alive():
                if self._host is not None:
                    self._host.abort()
                worker.join(0.2)
            raise
        if failed:
            raise failed[0]

    def _work(self, failed: list[BaseException]) -> None:
        try:
            self._gather()
        except BaseException as error:  # told in the thread that waits
            failed.append(error)

    def _gather(self) -> None:
        host = self.host
        targets = list(self.targets.values())
        threads = ThreadPoolExecutor(max_workers=max(1, len(targets)))
        try:
            outcomes = list(threads.map(lambda target: self._try(target, host), targets))
        except BaseException:  # Ctrl-C: nobody waits for a guest to boot
            host.abort()
            raise
        finally:
            threads.shutdown(cancel_futures=True)
        self.targets = {target.id: target for target, _ in outcomes}
        for target, result in outcomes:
            if isinstance(result, IsolationError):
                self.failures[target.id] = result
            else:
                self.records[target.id] = result

    def _try(self, target: Target, host: Host) -> tuple[Target, Record | IsolationError]:
        try:
            return target, self._observe(target, host)
        except IsolationError as error:
            option = None if target.named else _instead(target, error)
            if option is None:
                return target, error
            other = instead_of(target, option)
        try:
            return other, self._observe(other, host)
        except IsolationError as error:
            return other, error

    def _observe(self, target: Target, host: Host) -> Record:
        """Create the target's sandbox and its peer and ask for all their facts: one round trip for each view."""
        with step(f"start {target.id}"):
            main, peer = _side_by_side(
                lambda: self._live(target, peer=False),
                lambda: None if "peer" in target.runtime.cannot else self._live(target, peer=True),
            )
        record = observe(target, host, main, peer)
        self.probes_run += 1
        self.times[target.id] = {"hello": main.hello_seconds, "facts": time.monotonic() - main.ready}
        return record

    def sandbox(self, target_id: str, peer: bool = False) -> Sandbox:
        """Return the target's live sandbox or the peer beside it; one that died is made anew, and counted."""
        return self._live(self.targets[target_id], peer)

    def _live(self, target: Target, peer: bool) -> Sandbox:
        key = (target.id, peer)
        with self._lock:
            lock = self._locks.setdefault(f"{key}", threading.Lock())
        with lock:
            if self._stopped:
                raise IsolationError(f"cannot start '{target.id}': the session ends")
            found = self._sandboxes.get(key)
            if found is not None and found.alive:
                return found
            if found is not None:
                found.close()
                self.recreated += 1
            self._sandboxes[key] = Sandbox(self.host, target.runtime, Spec())
            return self._sandboxes[key]

    def create(self, target_id: str, spec: Spec) -> Sandbox:
        """Create a further sandbox of a target; closed with the pool at the latest."""
        sandbox = Sandbox(self.host, self.targets[target_id].runtime, spec)
        with self._lock:
            self._leased.append(sandbox)
        return sandbox

    def load(self, target_id: str, name: str) -> Load:
        """Measure a limit of the target under load, once; raises UnobservedFact when it could not be."""
        with self._lock:
            lock = self._locks.setdefault(f"load {target_id}", threading.Lock())
        with lock:
            if name not in self.records[target_id].loads:
                self.add(target_id, loads=self._measure_loads(target_id))
        return self.records[target_id].loads[name]

    def measure_ahead(self, target_ids: Iterable[str]) -> None:
        """
        Begin to measure the limits of these targets while other tests run.

        As many at once as the host has processors and one more: a load waits for its quota most of the time, and a
        guest for its boot.
        """
        if self._ahead is None:
            self._ahead = ThreadPoolExecutor(max_workers=self.host_cpus + 1, thread_name_prefix="isolation-ahead")
        # the slowest to start first
        for target_id in sorted(target_ids, key=lambda one: self.targets[one].runtime.kind != "vm"):
            for name in list(self.targets[target_id].runtime.limits)[:1]:
                self._ahead.submit(seen, lambda one=target_id, first=name: self.load(one, first))

    @property
    def host_cpus(self) -> int:
        """Processors that the host has online."""
        return self.host.facts.system.cpus if self.host.facts.system else 1

    def add(
        self, target_id: str, loads: dict[str, Load] | None = None, reaches: dict[str, Reach] | None = None
    ) -> None:
        """Add what was measured to a target's record."""
        with self._lock:
            record = self.records[target_id]
            self.records[target_id] = record.model_copy(
                update={
                    "loads": Loads({**record.loads.root, **(loads or {})}),
                    "reaches": Reaches({**record.reaches.root, **(reaches or {})}),
                }
            )

    def _measure_loads(self, target_id: str) -> dict[str, Load]:
        target = self.targets[target_id]
        try:
            return measure_loads(lambda spec: self.create(target_id, spec), target.runtime, self.host_cpus)
        except IsolationError as error:
            return {str(name): unobserved(str(error)) for name in target.runtime.limits}

    def reach(self, target_id: str, network: str) -> Reach:
        """Try to reach the peer on a network mode, once."""
        with self._lock:
            lock = self._locks.setdefault(f"reach {target_id}", threading.Lock())
        with lock:
            if network not in self.records[target_id].reaches:
                found = seen(
                    lambda: measure_reach(self.sandbox(target_id), self.sandbox(target_id, peer=True), network)
                )
                self.add(target_id, reaches={network: found})
        return self.records[target_id].reaches[network]

    def release(self) -> None:
        """End every sandbox, side by side; the host stays."""
        if self._ahead is not None:
            self._ahead.shutdown(cancel_futures=True)
            self._ahead = None
        with self._lock:
            sandboxes = [*self._sandboxes.values(), *self._leased]
            self._sandboxes.clear()
            self._leased.clear()
        if sandboxes:
            with step("end the sandboxes"), ThreadPoolExecutor(max_workers=len(sandboxes)) as threads:
                list(threads.map(lambda sandbox: sandbox.close(), sandboxes))

    def abort(self) -> None:
        """End whatever is being waited for: the session was interrupted."""
        if self._host is not None:
            self._host.abort()

    def close(self) -> None:
        """End every sandbox and the host's probe, and close the journal; safe to repeat."""
        try:
            self.release()
        finally:
            host, self._host = self._host, None
            if host is not None:
                with contextlib.ExitStack() as last:
                    last.callback(host.run.close)
                    host.close()


def _instead(target: Target, error: IsolationError) -> str | None:
    """Return the option that the runtime's own data names for this symptom."""
    for symptom in target.runtime.symptoms:
        if symptom.instead and symptom.cause in error.what:
            return symptom.instead
    return None


def _side_by_side(first: Callable[[], Sandbox], second: Callable[[], Sandbox | None]) -> tuple[Sandbox, Sandbox | None]:
    with ThreadPoolExecutor(max_workers=1) as thread:
        beside = thread.submit(second)
        main = first()
        return main, beside.result()
