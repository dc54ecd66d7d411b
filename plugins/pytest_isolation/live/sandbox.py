"""A view of a sandbox that still runs: what view.py shows, and ways to act on it.

In: the pool and a target.  Out: `LiveView`.  Called by session.py.  In an archive there is only view.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from provisioner.sandboxes.sandbox import Sandbox
from pytest_isolation.observe.pool import Pool
from pytest_isolation.records.record import ATTACHED
from pytest_isolation.records.view import SandboxView


@dataclass(frozen=True)
class Ran:
    """How a program of the sandbox ended ("exit 0", "signal 9") and what it wrote."""

    ended: str
    stdout: str
    stderr: str


class LiveView(SandboxView):
    """The sandbox of a running session."""

    def __init__(self, pool: Pool, target: str, peer: bool = False) -> None:
        super().__init__(
            pool.records[target],
            peer,
            measure_load=lambda name: pool.load(target, name),
            measure_reach=lambda network: pool.reach(target, network),
            measure_end=lambda: pool.ended(target),
        )
        self._pool = pool
        self._name = target

    @property
    def live(self) -> Sandbox:
        """
        The running sandbox itself, started on first use in a worker and made anew when it died.

        One that somebody else runs is not acted on: the test is skipped.
        """
        self._require_ours()
        return self._pool.sandbox(self._name, self._peer)

    def _require_ours(self) -> None:
        if self.target.attached:
            pytest.skip(ATTACHED)

    @property
    def testinfra(self) -> Any:
        """
        testinfra's host object (testinfra.host.Host) for a sandbox of this target that has a shell.

        Raises:
            ImportError: testinfra is not installed (the extra lab).

        Example:
            def test_root_folder(sandbox):
                assert sandbox.testinfra.file("/").is_directory
        """
        from pytest_isolation.live.testinfra import testinfra_host

        self._require_ours()
        return testinfra_host(self._name)

    def run(self, *argv: str, stdin: bytes = b"", seconds: float = 30.0) -> Ran:
        """
        Run a program inside.

        Args:
            argv: the program and its arguments; no shell is in between.
            stdin: its standard input.
            seconds: how long it may take.

        Raises:
            IsolationError: the sandbox does not answer.

        Example:
            def test_etc_is_there(sandbox):
                assert sandbox.run("/probe", "facts", "mine").ended == "exit 0"
        """
        reply = self.live.request("run", *argv, data=stdin, bound=1 << 20, seconds=seconds)
        return Ran(reply.ended, reply.data.decode("utf-8", "replace"), reply.log.decode("utf-8", "replace"))
