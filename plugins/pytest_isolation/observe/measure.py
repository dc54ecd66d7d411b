"""What is measured of a target on demand, once each: loads, reaches, what an end leaves.

In: targets, their records, and live sandboxes.  Out: the measured facts, added to the records.  Called by pool.py.
What could not be measured is itself a fact: nobody saw it, and why.
"""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor

from provisioner.errors import IsolationError
from provisioner.facts.reach import Reach, Reaches
from provisioner.limits.document import Load, Loads
from provisioner.observed import is_missing, unobserved
from provisioner.sandboxes.loads import measure_loads
from provisioner.sandboxes.reach import measure_reach
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.shared_file import shared_folder
from provisioner.sandboxes.spec import Spec
from provisioner.sandboxes.teardown import TeardownResult, measure_end
from pytest_isolation.observe.hosts import Hosts
from pytest_isolation.observe.observe import try_observe
from pytest_isolation.observe.sandboxes import SandboxCache
from pytest_isolation.records.record import Record
from pytest_isolation.targets.select import Target


class Measures:
    """
    The measured facts of one session, or of one worker of it.

    Args:
        records: by target id; what is measured replaces the record there.
        leases: where sandboxes come from.
        hosts: the hosts that they run on.
    """

    def __init__(self, records: dict[str, Record], leases: SandboxCache, hosts: Hosts) -> None:
        self._records = records
        self._leases = leases
        self._hosts = hosts
        self._lock = threading.RLock()
        self._locks: dict[tuple[str, str], threading.Lock] = defaultdict(threading.Lock)
        self._ahead: ThreadPoolExecutor | None = None

    def load(self, target: Target, name: str) -> Load:
        """Measure a limit of the target under load, once; raises UnobservedFact when it could not be."""
        with self._once("load", target):
            if name not in self._records[target.id].loads:
                self.add(target.id, loads=self._measure_loads(target))
        return self._records[target.id].loads[name]

    def reach(self, target: Target, network: str) -> Reach:
        """Try to reach the peer on a network mode, once."""
        with self._once("reach", target):
            if network not in self._records[target.id].reaches:
                live = self._leases.live
                found = try_observe(lambda: measure_reach(live(target, "main"), live(target, "peer"), network))
                self.add(target.id, reaches={network: found})
        return self._records[target.id].reaches[network]

    def ended(self, target: Target) -> Record:
        """Return the target's record with what a further sandbox of it left when it was ended, once."""
        with self._once("end", target):
            if is_missing(self._records[target.id].raw("residue")):
                found = try_observe(lambda: self._measure_end(target))
                facts = (
                    found
                    if isinstance(found, TeardownResult)
                    else TeardownResult(**dict.fromkeys(TeardownResult.model_fields, found))
                )
                self.add(target.id, end=facts)
        return self._records[target.id]

    def _once(self, what: str, target: Target) -> threading.Lock:
        with self._lock:
            return self._locks[what, target.id]

    def _measure_loads(self, target: Target) -> dict[str, Load]:
        try:
            cpus = self._hosts.host(target.host).cpus
            return measure_loads(lambda spec: self._leases.create(target, spec), target.runtime, cpus)
        except IsolationError as error:
            return {str(name): unobserved(str(error)) for name in target.runtime.limits}

    def _measure_end(self, target: Target) -> TeardownResult:
        """End a sandbox that shares a folder, where its runtime can."""

        def create(spec: Spec) -> Sandbox:
            return self._leases.make(target, spec)

        if target.runtime.volume is None:
            return measure_end(create)
        try:
            with shared_folder(self._hosts.host(target.host)) as folder:
                return measure_end(create, folder=folder)
        except IsolationError as error:  # it may start without the folder
            return measure_end(create).model_copy(update={"shared_file": unobserved(str(error))})

    def begin(self, targets: Iterable[Target]) -> None:
        """
        Begin to measure the limits of these targets while other tests run.

        As many at once as the host has processors and one more: a load waits for its quota most of the time, and a
        guest for its boot.
        """
        if self._ahead is None:
            self._ahead = ThreadPoolExecutor(
                max_workers=(os.cpu_count() or 1) + 1, thread_name_prefix="isolation-ahead"
            )
        # the slowest to start first
        ours = [target for target in targets if target.attached is None]
        for target in sorted(ours, key=lambda one: one.runtime.kind != "vm"):
            for name in list(target.runtime.limits)[:1]:
                self._ahead.submit(try_observe, lambda one=target, first=name: self.load(one, first))

    def end(self) -> None:
        """Begin no more, and wait for what is under way."""
        if self._ahead is not None:
            self._ahead.shutdown(cancel_futures=True)
            self._ahead = None

    def add(
        self,
        target_id: str,
        loads: dict[str, Load] | None = None,
        reaches: dict[str, Reach] | None = None,
        end: TeardownResult | None = None,
    ) -> None:
        """Add what was measured, here or by a worker, to a target's record."""
        with self._lock:
            record = self._records[target_id]
            self._records[target_id] = record.model_copy(
                update={
                    "loads": Loads({**record.loads.root, **(loads or {})}),
                    "reaches": Reaches({**record.reaches.root, **(reaches or {})}),
                    **({} if end is None else {name: end.raw(name) for name in TeardownResult.model_fields}),
                }
            )
