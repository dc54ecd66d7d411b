"""What a provider of machines offers: a machine that is started, reached by SSH, snapshotted, restored and stopped.

In: a machine's configuration and a box.  Out: a `Machine`.  The providers are in qemu/ and vagrant/.  A provider keeps
its state in files, not in memory: a machine outlives the process that started it.
"""

from __future__ import annotations

from typing import Literal, Protocol

from provisioner.connection.address import SshAddress

Status = Literal["absent", "halted", "running"]


class MachineConfig(Protocol):
    """What a provider must know of one machine; lab.MachineSpec is one."""

    @property
    def name(self) -> str:
        """The machine's name, also its host name."""

    @property
    def cpus(self) -> int:
        """The number of virtual processors."""

    @property
    def memory(self) -> int:
        """Memory in MiB."""

    @property
    def cgroup(self) -> Literal["v1", "v2"]:
        """The cgroup version that it boots with."""

    @property
    def driver(self) -> Literal["kvm", "qemu"] | None:
        """Whether it is accelerated or emulated; None for kvm if KVM works on this host."""


class Machine(Protocol):
    """One machine of a lab."""

    @property
    def name(self) -> str:
        """Its name in lab.yaml."""

    def up(self) -> None:
        """Start it and wait for SSH; one that runs already is kept. An IsolationError quotes its console."""

    def status(self) -> Status:
        """Tell whether it was ever made, and whether it runs."""

    def ssh(self) -> SshAddress:
        """Return the address of its SSH server; IsolationError if it does not run."""

    def snapshot(self, name: str) -> None:
        """Save memory and disk of the running machine under a name; it continues to run."""

    def restore(self, name: str) -> bool:
        """Restore a snapshot, run, and set the clock; False if there is no snapshot of that name."""

    def snapshots(self) -> list[str]:
        """Return the names of the snapshots that can be restored."""

    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot; one that does not exist is ignored."""

    def console(self) -> str:
        """Return the end of its serial console's output, for errors."""

    def vmm_pid(self) -> int | None:
        """Return its hypervisor's pid, None if it does not run or the pid is not known."""

    def down(self, destroy: bool = False) -> None:
        """Stop it; with `destroy`, delete its disk and snapshots too. One that does not exist is ignored."""
