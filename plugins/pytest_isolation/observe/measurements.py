"""Measures on first use what is too slow to observe of every target: limits under load, reach, teardown.

In: a target, its record, and the cache of its sandboxes.
Out: `Measurements`, which owns the target's record and adds to it.  What could not be measured is a fact too: it is
unobserved, with the reason.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from provisioner.errors import IsolationError
from provisioner.facts.network import NetworkSeen
from provisioner.facts.reach import Reach, Reaches
from provisioner.faults.explain import explained
from provisioner.limits.document import Load, Loads
from provisioner.limits.limit import limit_names
from provisioner.observed import Fact, Observed, is_missing, since_schema, unobserved
from provisioner.sandboxes.loads import measure_declared, measure_loads
from provisioner.sandboxes.reach import measure_reach
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.shared_file import shared_folder
from provisioner.sandboxes.spec import Spec
from provisioner.sandboxes.teardown import TeardownResult, measure_end
from pytest_isolation.observe.network import measure_network
from pytest_isolation.observe.sandboxes import Part, SandboxCache
from pytest_isolation.observe.views import try_observe
from pytest_isolation.options import LOCAL
from pytest_isolation.records.record import Record
from pytest_isolation.targets.target import Target


class Measured(Observed):
    """The part of a record that is measured on first use; a worker of pytest-xdist sends it to its controller."""

    loads: Loads = Loads({})
    reaches: Reaches = Reaches({})
    teardown: TeardownResult | None = None
    network: Fact[NetworkSeen | None] = since_schema()


class Measurements:
    """
    What is observed and measured of one target.

    Each measurement is made once, on first use, and is then part of `record`.

    Args:
        target: the target.
        record: what was observed of it.
        sandboxes: creates the sandboxes to measure in.
        times: seconds that observing took, by name ("hello", "facts").
    """

    def __init__(
        self, target: Target, record: Record, sandboxes: SandboxCache, times: Mapping[str, float] | None = None
    ) -> None:
        self.target = target
        self.times = dict(times or {})
        self._record = record
        self._sandboxes = sandboxes
        self._writing = threading.Lock()
        self._loading, self._reaching, self._ending = threading.Lock(), threading.Lock(), threading.Lock()
        self._networking = threading.Lock()

    @property
    def record(self) -> Record:
        """All that is known of the target by now."""
        return self._record

    def load(self, name: str) -> Load:
        """
        Put a limit of the target under load, once.

        Args:
            name: the limit: "memory", "cpu" or "pids".

        Raises:
            UnobservedFact: it could not be measured.
        """
        if name in self._record.loads:
            return self._record.loads[name]
        self._sandboxes.require_process()  # before the lock: a thread of the session may hold it
        with self._loading:
            if name not in self._record.loads:
                self.add(Measured(loads=Loads(self._measure_loads())))
        return self._record.loads[name]

    def reach(self, network: str) -> Reach:
        """
        Try to reach the peer, once.

        Args:
            network: the network mode of both sandboxes.

        Raises:
            UnobservedFact: it could not be tried.
        """
        if network in self._record.reaches:
            return self._record.reaches[network]
        self._sandboxes.require_process()
        with self._reaching:
            if network not in self._record.reaches:
                reach = try_observe(lambda: measure_reach(self._live("main"), self._live("peer"), network))
                self.add(Measured(reaches=Reaches({network: reach})))
        return self._record.reaches[network]

    def network(self) -> NetworkSeen | None:
        """
        Try the runtime's networks in a world of their own, once.

        Returns:
            None if it was not asked for, or if the target's networks cannot be tried so.

        Raises:
            UnobservedFact: it could not be tried.
        """
        if is_missing(self._record.raw("network")):
            self._sandboxes.require_process()
            with self._networking:
                if is_missing(self._record.raw("network")):
                    self.add(Measured(network=try_observe(self._measure_network)))
        return self._record.network

    def teardown(self) -> Record:
        """End a further sandbox of the target, once; return the record with what it left."""
        if not is_missing(self._record.raw("residue")):
            return self._record
        self._sandboxes.require_process()
        with self._ending:
            if is_missing(self._record.raw("residue")):
                result = try_observe(self._measure_end)
                if not isinstance(result, TeardownResult):
                    result = TeardownResult(**dict.fromkeys(TeardownResult.model_fields, result))
                self.add(Measured(teardown=result))
        return self._record

    def measured(self) -> Measured:
        """Return what was measured so far."""
        record, fields = self._record, TeardownResult.model_fields
        ended = (
            None if is_missing(record.raw("residue")) else TeardownResult(**{one: record.raw(one) for one in fields})
        )
        return Measured(loads=record.loads, reaches=record.reaches, teardown=ended, network=record.raw("network"))

    def add(self, measured: Measured) -> None:
        """Add what was measured, here or by a worker, to the record."""
        with self._writing:
            record, end, network = self._record, measured.teardown, measured.raw("network")
            self._record = record.model_copy(
                update={
                    "loads": Loads({**record.loads.root, **measured.loads.root}),
                    "reaches": Reaches({**record.reaches.root, **measured.reaches.root}),
                    **({} if is_missing(network) else {"network": network}),
                    **({} if end is None else {name: end.raw(name) for name in TeardownResult.model_fields}),
                }
            )

    def _live(self, part: Part) -> Sandbox:
        return self._sandboxes.live(self.target, part)

    def _measure_network(self) -> NetworkSeen | None:
        """Of a user's own command line or image only the stock runtime behind it could be tried."""
        target = self.target
        ours = target.host == LOCAL and target.attached is None and not target.command and target.runtime.kind != "vm"
        if not (self._sandboxes.networks and ours) or "network" in target.runtime.cannot:
            return None
        return measure_network(target.runtime, self._sandboxes.hosts.local.probe)

    def _measure_loads(self) -> dict[str, Load]:
        target = self.target
        if why := self._record.target.conditions.elsewhere:
            return {str(name): unobserved(why) for name in target.runtime.limits}
        try:
            with explained():
                cpus = self._sandboxes.hosts.host_of(target).cpus
                if target.command:
                    return measure_declared(lambda spec: self._sandboxes.create(target, spec), cpus)
                return measure_loads(lambda spec: self._sandboxes.create(target, spec), target.runtime, cpus)
        except IsolationError as error:
            names = limit_names() if target.command else target.runtime.limits
            return {str(name): unobserved(str(error)) for name in names}

    def _measure_end(self) -> TeardownResult:
        """End a sandbox that shares a folder with the host if its runtime can."""

        def create(spec: Spec) -> Sandbox:
            return self._sandboxes.make(self.target, spec)

        if self.target.runtime.volume is None:
            return measure_end(create)
        try:
            with shared_folder(self._sandboxes.hosts.host(self.target.host)) as folder:
                return measure_end(create, folder=folder)
        except IsolationError as error:  # it may start without the folder
            return measure_end(create).model_copy(update={"shared_file": unobserved(str(error))})


class BackgroundLoads:
    """
    Puts the limits of targets under load in the background, while other tests run.

    One more at once than the host has processors: a load mostly waits for its quota, and a guest for its boot.
    """

    def __init__(self) -> None:
        self._threads: ThreadPoolExecutor | None = None

    def start(self, measurements: Iterable[Measurements]) -> None:
        """Start to measure; virtual machines first, since they are the slowest to start."""
        if self._threads is None:
            workers = (os.cpu_count() or 1) + 1
            self._threads = ThreadPoolExecutor(max_workers=workers, thread_name_prefix="isolation-loads")
        ours = [one for one in measurements if one.target.attached is None]
        for one in sorted(ours, key=lambda one: one.target.runtime.kind != "vm"):
            for name in list(one.target.runtime.limits)[:1]:  # the first measures them all
                self._threads.submit(try_observe, lambda one=one, name=name: one.load(name))

    def stop(self) -> None:
        """Start no more, and wait for what is under way."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
            self._threads = None
