"""What a provider of machines offers: a machine that is started, reached by SSH, frozen, restored and stopped.

In: a specification from lab.yaml and a box.  Out: a `Machine`.  Implemented by qemu.py and vagrant.py; used by the
command line, the pool and converging.  A provider keeps no state in memory that another process would need: a machine
outlives whoever started it.
"""

from __future__ import annotations

from typing import Literal, Protocol

from provisioner.connection.address import SshAddress

Status = Literal["absent", "halted", "running"]


class MachineConfig(Protocol):
    """What a provider must know of one machine; lab.MachineSpec has it all."""

    @property
    def name(self) -> str:
        """The machine's name, which is its host name too."""

    @property
    def cpus(self) -> int:
        """How many virtual processors."""

    @property
    def memory(self) -> int:
        """Memory in MiB."""

    @property
    def cgroup(self) -> Literal["v1", "v2"]:
        """Which cgroup hierarchy it boots with."""

    @property
    def driver(self) -> Literal["kvm", "qemu"] | None:
        """Whether it is accelerated or emulated; None for what this host can do."""


class Machine(Protocol):
    """One machine of a lab."""

    @property
    def name(self) -> str:
        """Its name in lab.yaml."""

    def up(self) -> None:
        """Start it and wait until it answers by SSH; nothing to do when it runs. IsolationError shows its console."""

    def status(self) -> Status:
        """Tell whether it was ever made, and whether it runs."""

    def ssh(self) -> SshAddress:
        """Return where it is reached; IsolationError when it does not run."""

    def snapshot(self, name: str) -> None:
        """Freeze memory and disk of the running machine under a name; it goes on running."""

    def restore(self, name: str) -> bool:
        """Go back to a snapshot and run, with the clock set; False when there is none of that name."""

    def snapshots(self) -> list[str]:
        """Return the names of its snapshots that can be restored."""

    def delete_snapshot(self, name: str) -> None:
        """Delete a snapshot, to make room; not there is fine."""

    def console(self) -> str:
        """Return the end of what it wrote to its serial console, for error texts."""

    def vmm_pid(self) -> int | None:
        """Return its hypervisor's process, None when it does not run."""

    def down(self, destroy: bool = False) -> None:
        """Stop it; its disk and its snapshots stay, unless it is to be destroyed. Not there is fine."""
