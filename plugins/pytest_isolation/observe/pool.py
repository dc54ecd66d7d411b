"""What a session has of its targets: all are set up side by side, once, and observed once.

In: targets and the hosts.  Out: one `Record` for each target, live sandboxes (leases.py) for tests that act, what is
measured on demand (measures.py), and what failed.  Called by plugin.py (session) and fixtures.py (tests).  Lives
outside the fixtures, so that a session with workers gathers in its controller and the workers judge what was gathered.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from provisioner.errors import IsolationError
from provisioner.facts.reach import Reach
from provisioner.hosts.host import Host
from provisioner.limits.document import Load
from provisioner.progress import step
from provisioner.sandboxes.attached import Attached
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec
from provisioner.sandboxes.teardown import TeardownResult
from pytest_isolation.observe.hosts import Hosts
from pytest_isolation.observe.measure import Measures
from pytest_isolation.observe.observe import observe
from pytest_isolation.observe.sandboxes import SandboxCache
from pytest_isolation.observe.stock import Fresh, observe_fresh
from pytest_isolation.options import LOCAL
from pytest_isolation.records.record import Record
from pytest_isolation.targets.select import Target, instead_of


class Pool:
    """
    The sandboxes and records of one session, or of one worker of it.

    Args:
        targets: the columns of the matrix.
        hosts: makes each host on first use: a worker that only judges records never starts one.
        records: what a controller gathered already, by target id.
    """

    def __init__(self, targets: Iterable[Target], hosts: Hosts, records: dict[str, Record] | None = None):
        self.targets = {target.id: target for target in targets}
        self.records = dict(records or {})
        self.failures: dict[str, IsolationError] = {}
        self.probes_run = 0
        self.times: dict[str, dict[str, float]] = {}
        self.fresh: dict[str, Fresh] = {}  # beside each attached target, or why there is none
        self.hosts = hosts
        self._leases = SandboxCache(hosts)
        self._measures = Measures(self.records, self._leases, hosts)
        self._turns: dict[str, threading.Lock] = {}
        self._lock = threading.Lock()

    @property
    def recreated(self) -> int:
        """How many sandboxes died and were made anew."""
        return self._leases.recreated

    @property
    def host(self) -> Host:
        """This machine as a host, started on first use."""
        return self.hosts.host(LOCAL)

    def host_of(self, target_id: str) -> Host:
        """Return the host that a target's commands run on."""
        return self.hosts.host(self.targets[target_id].host)

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
            self._leases.stop()
            while worker.is_alive():
                self.hosts.abort()
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
        targets = list(self.targets.values())
        threads = ThreadPoolExecutor(max_workers=max(1, len(targets)))
        try:
            outcomes = list(threads.map(self._try, targets))
        except BaseException:  # Ctrl-C: nobody waits for a guest to boot
            self.hosts.abort()
            raise
        finally:
            threads.shutdown(cancel_futures=True)
        self.targets = {target.id: target for target, _ in outcomes}
        for target, result in outcomes:
            if isinstance(result, IsolationError):
                self.failures[target.id] = result
            else:
                self.records[target.id] = result
        attached = [target for target in self.targets.values() if target.attached is not None]
        if attached and not self.failures:
            columns = {target.id: (target, self.records[target.id]) for target in self.targets.values()}
            self.fresh = observe_fresh(attached, lambda: self.host, columns)

    def _try(self, target: Target) -> tuple[Target, Record | IsolationError]:
        try:
            return target, self._observe(target)
        except IsolationError as error:
            option = None if target.named else _instead(target, error)
            if option is None:
                return target, error
            other = instead_of(target, option)
        try:
            return other, self._observe(other)
        except IsolationError as error:
            return other, error

    def _observe(self, target: Target) -> Record:
        """Create the target's sandbox and its peer and ask for all their facts: one round trip for each view."""
        if target.attached is not None:
            return self._attach(target)
        self.hosts.host(target.host)  # a machine that starts is told of by itself
        with self._turn(target), step(f"start {target.id}"):
            main, peer = _side_by_side(
                lambda: self._leases.live(target, "main"),
                lambda: None if "peer" in target.runtime.cannot else self._leases.live(target, "peer"),
            )
            record = observe(target, main, peer)
        self.probes_run += 1
        self.times[target.id] = {"hello": main.hello_seconds, "facts": time.monotonic() - main.ready}
        return record

    def _attach(self, target: Target) -> Record:
        """Look at a sandbox that somebody else runs; it stays as it is."""
        assert target.attached is not None
        with step(f"attach to {target.id}"):
            started = time.monotonic()
            attached = Attached(self.hosts.host(target.host), replace(target.attached, runtime=target.runtime))
            record = observe(target, attached, None)
        self.probes_run += 1
        self.times[target.id] = {"facts": time.monotonic() - started}
        return record

    @contextlib.contextmanager
    def _turn(self, target: Target) -> Iterator[None]:
        """On a machine one target starts after the other: emulated processors start two slower than one by one."""
        if target.host == LOCAL:
            yield
            return
        with self._lock:
            lock = self._turns.setdefault(target.host, threading.Lock())
        with lock:
            yield

    def sandbox(self, target_id: str, peer: bool = False) -> Sandbox:
        """Return the target's live sandbox or the peer beside it; one that died is made anew, and counted."""
        return self._leases.live(self.targets[target_id], "peer" if peer else "main")

    def shell(self, target_id: str) -> Sandbox:
        """Return a live sandbox of the target in which /bin/sh is: one with a BusyBox, or the one that has its own."""
        target = self.targets[target_id]
        return self._leases.live(target, "main" if target.runtime.image == "none" else "shell")

    def create(self, target_id: str, spec: Spec) -> Sandbox:
        """Create a further sandbox of a target; closed with the pool at the latest."""
        return self._leases.create(self.targets[target_id], spec)

    def load(self, target_id: str, name: str) -> Load:
        """Measure a limit of the target under load, once; raises UnobservedFact when it could not be."""
        return self._measures.load(self.targets[target_id], name)

    def measure_ahead(self, target_ids: Iterable[str]) -> None:
        """Begin to measure the limits of these targets while other tests run."""
        self._measures.begin([self.targets[name] for name in target_ids])

    def add(
        self,
        target_id: str,
        loads: dict[str, Load] | None = None,
        reaches: dict[str, Reach] | None = None,
        end: TeardownResult | None = None,
    ) -> None:
        """Add what a worker measured to a target's record."""
        self._measures.add(target_id, loads, reaches, end)

    def reach(self, target_id: str, network: str) -> Reach:
        """Try to reach the peer on a network mode, once."""
        return self._measures.reach(self.targets[target_id], network)

    def ended(self, target_id: str) -> Record:
        """Return the target's record with what a further sandbox of it left when it was ended, once."""
        return self._measures.ended(self.targets[target_id])

    def release(self) -> None:
        """End every sandbox, side by side; the host stays."""
        self._measures.end()
        self._leases.release()

    def roll_back(self, target_id: str) -> None:
        """
        Undo what a destructive test did: a machine goes back to its snapshot, with all that ran on it; elsewhere the
        sandbox is made anew.
        """
        host = self.targets[target_id].host
        self._leases.end(lambda other: other == target_id or self._shares_machine(other, host))
        if host != LOCAL:
            self.hosts.roll_back(host)

    def _shares_machine(self, target_id: str, host: str) -> bool:
        return host != LOCAL and self.targets[target_id].host == host

    def abort(self) -> None:
        """End whatever is being waited for: the session was interrupted."""
        self.hosts.abort()

    def close(self) -> None:
        """End every sandbox and the host's probe, and close the journal; safe to repeat."""
        try:
            self.release()
        finally:
            self.hosts.close()


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
