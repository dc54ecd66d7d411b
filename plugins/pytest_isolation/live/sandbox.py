"""The sandbox as a test of a running session sees it: the record's view, and ways to act on the sandbox.

In: the measurements of a target, and the session's sandboxes.
Out: `LiveView`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from provisioner.facts.network import NetworkSeen
from provisioner.facts.reach import Reach
from provisioner.limits.document import Load
from provisioner.probe.request import Reply
from provisioner.sandboxes.sandbox import Sandbox
from pytest_isolation.live.acting import Acting
from pytest_isolation.observe.measurements import Measurements
from pytest_isolation.observe.sandboxes import SandboxCache
from pytest_isolation.records.record import ATTACHED, Record
from pytest_isolation.records.view import SandboxView


class LiveView(Acting, SandboxView):
    """
    A sandbox of the running session.  What is not measured yet is measured when a test asks for it.

    Args:
        measurements: what is known of the target.
        sandboxes: the session's live sandboxes.
        peer: whether this is the second sandbox beside the target's own.
    """

    def __init__(self, measurements: Measurements, sandboxes: SandboxCache, peer: bool = False) -> None:
        super().__init__(measurements.record, peer)
        self.measurements = measurements
        self._sandboxes = sandboxes

    @property
    def record(self) -> Record:
        """All that was observed and measured of the target by now."""
        return self.measurements.record

    def load(self, name: str) -> Load:
        return self.measurements.load(name)

    def reach(self, network: str) -> Reach:
        return self.measurements.reach(network)

    def network(self) -> NetworkSeen | None:
        return self.measurements.network()

    def teardown(self) -> Record:
        return self.measurements.teardown()

    @property
    def live(self) -> Sandbox:
        """
        The running sandbox itself; one that died is made again.

        Of an attached sandbox there is none to act on: the test is skipped.
        """
        self._require_ours()
        return self._sandboxes.live(self.measurements.target, "peer" if self._peer else "main")

    def _require_ours(self) -> None:
        if self.target.attached:
            pytest.skip(ATTACHED)

    @property
    def testinfra(self) -> Any:
        """
        testinfra's host object (testinfra.host.Host), for a sandbox of this target with a shell.

        Raises:
            ImportError: testinfra is not installed (the extra lab).

        Example:
            def test_root_folder(sandbox):
                assert sandbox.testinfra.file("/").is_directory
        """
        from pytest_isolation.live.testinfra import testinfra_host

        self._require_ours()
        return testinfra_host(self.measurements.target.id)

    @property
    def acting_name(self) -> str:
        return self.target.id

    @property
    def send(self) -> Callable[..., Reply]:
        return self.live.request
