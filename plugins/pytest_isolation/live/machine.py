"""The machine below a target, as a test sees it: its name, commands in it, testinfra.

In: the session's hosts and a target.  Out: `MachineView`.  Called by the fixture `machine`.  Not the sandbox: commands
here run beside it, as root of the machine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provisioner.deadlines import deadline
from provisioner.machines.lab import MachineSpec
from pytest_isolation.live.sandbox import Ran

if TYPE_CHECKING:
    from provisioner.hosts.host import Host
    from provisioner.machines.prepare import ReadyMachine


class MachineView:
    """
    One machine of lab.yaml that runs.

    Args:
        ready: it, with its connection.
        host: this run's things on it.
        spec: what lab.yaml says of it.
    """

    def __init__(self, ready: ReadyMachine, host: Host, spec: MachineSpec) -> None:
        self._ready = ready
        self.host = host
        self.spec = spec

    @property
    def name(self) -> str:
        """Its name in lab.yaml."""
        return self.spec.name

    def run(self, *argv: str, seconds: float | None = None) -> Ran:
        """
        Run a program on the machine, as root.

        Args:
            argv: the program and its arguments; no shell is in between.
            seconds: how long it may take.

        Raises:
            IsolationError: the machine does not answer, or has no such program.

        Example:
            def test_its_own_kernel(machine):
                assert machine.run("uname", "-s").stdout == "Linux\\n"
        """
        done = self._ready.connection.run(argv, seconds or deadline("command"))
        ended = f"exit {done.status}" if done.status >= 0 else f"signal {-done.status}"
        return Ran(ended, done.stdout.decode("utf-8", "replace"), done.stderr.decode("utf-8", "replace"))

    @property
    def testinfra(self) -> Any:
        """testinfra's host object (testinfra.host.Host) for the machine, over the connection that is there."""
        from testinfra.host import Host

        from provisioner.converge.verify import ConnectionBackend

        return Host(ConnectionBackend(self._ready.connection))
