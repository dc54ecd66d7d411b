"""The sandbox as a test of a running session sees it: the record's view, and ways to act on the sandbox.

In: the measurements of a target, and the session's sandboxes.
Out: `LiveView`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from provisioner.facts.reach import Reach
from provisioner.limits.document import Load
from provisioner.sandboxes.sandbox import Sandbox
from pytest_isolation.observe.measurements import Measurements
from pytest_isolation.observe.sandboxes import SandboxCache
from pytest_isolation.records.record import ATTACHED, Record
from pytest_isolation.records.view import SandboxView


@dataclass(frozen=True)
class Ran:
    """How a program ended ("exit 0", "signal 9") and what it wrote."""

    ended: str
    stdout: str
    stderr: str


class LiveView(SandboxView):
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

    def run(self, *argv: str, stdin: bytes = b"", seconds: float = 30.0) -> Ran:
        """
        Run a program in the sandbox.

        Args:
            argv: the program and its arguments; no shell interprets them.
            stdin: the bytes of its standard input.
            seconds: the most seconds that it may take.

        Raises:
            IsolationError: the sandbox does not answer.

        Example:
            def test_probe_runs_inside(sandbox):
                assert sandbox.run("/probe", "facts", "mine").ended == "exit 0"
        """
        reply = self.live.request("run", *argv, data=stdin, bound=1 << 20, seconds=seconds)
        return Ran(reply.ended, reply.data.decode("utf-8", "replace"), reply.log.decode("utf-8", "replace"))
