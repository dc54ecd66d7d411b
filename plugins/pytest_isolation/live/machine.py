"""The machine of lab.yaml that a target is or runs on, as a test sees it.

In: a machine that runs.
Out: `MachineView`.  Its commands run as root of the machine, not in the sandbox.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from provisioner.deadlines import deadline
from provisioner.machines.lab import MachineSpec
from pytest_isolation.live.acting import Completed

if TYPE_CHECKING:
    from provisioner.hosts.host import Host
    from provisioner.machines.prepare import ReadyMachine


class MachineView:
    """
    One running machine of lab.yaml.

    Args:
        ready: the machine and its connection.
        host: the machine as a host of this run.
        spec: the machine's part of lab.yaml.
    """

    def __init__(self, ready: ReadyMachine, host: Host, spec: MachineSpec) -> None:
        self._ready = ready
        self.host = host
        self.spec = spec

    @property
    def name(self) -> str:
        """The machine's name in lab.yaml."""
        return self.spec.name

    def run(self, *argv: str, timeout: float | None = None) -> Completed:
        """
        Run a program on the machine, as root.

        Args:
            argv: the program and its arguments; no shell interprets them.
            timeout: the most seconds that it may take; None for the default deadline.

        Raises:
            IsolationError: the machine does not answer, or has no such program.

        Example:
            def test_its_own_kernel(machine):
                assert machine.run("uname", "-s").stdout == "Linux\\n"
        """
        done = self._ready.connection.run(argv, timeout or deadline("command"))
        stdout, stderr = (part.decode("utf-8", "replace") for part in (done.stdout, done.stderr))
        return Completed(argv, done.status, stdout, stderr)

    @property
    def testinfra(self) -> Any:
        """testinfra's host object (testinfra.host.Host) for the machine, over its open connection."""
        from testinfra.host import Host

        from provisioner.converge.verify import ConnectionBackend

        return Host(ConnectionBackend(self._ready.connection))
