"""The sandbox as a check reads it: both views and reconciled namespaces.

In: a `Record`.
Out: `SandboxView` and `HostView`.  Touches no machine: `live/sandbox.py` adds what needs a running sandbox.
"""

from __future__ import annotations

from collections.abc import Sequence

from provisioner.errors import UnobservedFact
from provisioner.facts.document import Facts
from provisioner.facts.image import ImageSeen
from provisioner.facts.process import Process, TaskState
from provisioner.facts.reach import Reach
from provisioner.facts.status import Capabilities
from provisioner.facts.system import System
from provisioner.limits.document import Load
from provisioner.sandboxes.shared_file import SharedFile
from pytest_isolation.records.namespaces import NamespaceView
from pytest_isolation.records.record import Record, TargetInfo
from pytest_isolation.walls.tasks import weakest


class HostView:
    """The host's own view of itself; same attributes as Facts, and `namespaces` as comparable identities."""

    def __init__(self, record: Record) -> None:
        self._record = record

    @property
    def facts(self) -> Facts:
        """
        The whole document.

        Raises:
            UnobservedFact: nobody could look at the host.
        """
        return self._record.host

    @property
    def namespaces(self) -> NamespaceView:
        """The namespaces that the host's own processes live in."""
        return NamespaceView(self.facts, self.facts.boot_id)

    @property
    def process(self) -> Process:
        """The host's probe, as a process."""
        return self.facts.process

    @property
    def system(self) -> System:
        """What the host's probe sees around it, with the same tries as a control."""
        if self.facts.system is None:
            raise UnobservedFact("host.system", "", "the host's view holds no system part")
        return self.facts.system

    @property
    def boot_id(self) -> str:
        """The host's kernel, by its boot id (random(4))."""
        return self.facts.boot_id


class SandboxView:
    """
    One sandbox, with both views of it.

    Args:
        record: what was observed and measured.
        peer: whether this is the second sandbox beside the target's own.
    """

    def __init__(self, record: Record, peer: bool = False) -> None:
        self._record = record
        self._peer = peer

    @property
    def record(self) -> Record:
        """All that was observed and measured of the target."""
        return self._record

    @property
    def target(self) -> TargetInfo:
        """What this is: kind, runtime, host, and what cannot be asked of it."""
        return self.record.target

    @property
    def inside(self) -> Facts:
        """What the subject saw of itself."""
        return self.record.peer_inside if self._peer else self.record.inside

    @property
    def outside(self) -> Facts:
        """
        What the host saw of the subject.

        Raises:
            UnobservedFact: there is no such view: the subject of a VM is no process of the host.
        """
        facts = self.record.peer_outside if self._peer else self.record.outside
        if facts is None:
            raise UnobservedFact("outside", "", "the subject is no process of the host")
        return facts

    @property
    def has_outside(self) -> bool:
        """Whether the subject is a process of the host that the host could look at."""
        return isinstance(self.record.raw("peer_outside" if self._peer else "outside"), Facts)

    @property
    def vmm(self) -> Facts:
        """
        The hypervisor's process seen from the host.

        Raises:
            UnobservedFact: a container has none.
        """
        if self.record.vmm is None:
            raise UnobservedFact("vmm", "", "a container has no hypervisor's process")
        return self.record.vmm

    @property
    def exec(self) -> Facts:
        """What a process saw that the runtime's own exec started in the sandbox."""
        return self.record.exec_

    @property
    def image(self) -> ImageSeen | None:
        """What its image showed before anything was started from it; None where none is made for this target."""
        return self.record.image

    @property
    def system(self) -> System:
        """What the subject sees of the system around it, with all the tries."""
        if self.inside.system is None:
            raise UnobservedFact("inside.system", "", "the inside view holds no system part")
        return self.inside.system

    @property
    def host(self) -> HostView:
        """The host's own view of itself."""
        return HostView(self.record)

    @property
    def shares_kernel(self) -> bool:
        """
        Whether the sandbox runs on the host's own kernel.

        A subject that the host sees as a process of its own does, and so does one whose runtime confines processes,
        whatever boot id it reads: systemd-nspawn and LXD bind a made-up one over /proc/sys/kernel/random/boot_id.
        What a runtime says of itself can only take walls away here.  Behind a sentry or a VMM the boot id decides.
        """
        boundary = self.target.boundary
        if boundary == "process" or (self.has_outside and boundary not in ("sentry", "vmm")):
            return True
        return self.inside.boot_id == self.record.host.boot_id

    @property
    def confined(self) -> Process:
        """
        The process of the host's kernel that the boundary confines: the subject, or the hypervisor's process.

        Raises:
            UnobservedFact: the sandbox has a kernel of its own and its hypervisor's process was not seen.
        """
        if self.has_outside or self.shares_kernel:
            return self.process
        return self.vmm.process  # what shares its cgroup or mounts (libvirtd, a helper) runs no guest

    @property
    def process(self) -> Process:
        """
        The subject as a process, with each wall as the weakest task beside it has it (docs/decisions/0009).

        Capabilities, no_new_privs, the filter and the label are those of the weakest; all else is the subject's own.
        """
        return weakest(self.subject, self._tasks, lambda: self.host.process)

    @property
    def subject(self) -> Process:
        """
        The subject alone: the outside view where there is one (the inside one may be forged), else the inside.

        A VM's subject is known from inside alone.
        """
        return self.outside.process if self.has_outside else self.inside.process

    @property
    def tasks(self) -> Sequence[TaskState]:
        """What else runs in the sandbox and shows another state than its subject, each distinct state once."""
        return self._tasks()

    def _tasks(self) -> Sequence[TaskState]:
        return (self.outside.tasks or ()) if self.has_outside else ()

    def _stray(self, kind: str) -> int | None:
        tasks = self._tasks()
        hosts: int | None = getattr(self.host.process.namespaces, kind) if tasks else None
        return hosts if any(getattr(task.namespaces, kind) == hosts for task in tasks) else None

    @property
    def namespaces(self) -> NamespaceView:
        """
        The sandbox's namespaces: inodes from outside where they were seen, with the host's own boot id.

        They are the subject's, or the host's where another task of the sandbox lives in that.
        """
        if self.has_outside:
            return NamespaceView(self.outside, self.record.host.boot_id, self._stray)
        return NamespaceView(self.inside, self.host.boot_id if self.shares_kernel else self.inside.boot_id)

    @property
    def capabilities_over_host(self) -> int:
        """
        The capabilities that reach the host, as a mask: those in effect and those it may put into effect.

        A capability counts only in the user namespace that holds it (user_namespaces(7)): a process in a user
        namespace of its own, or on a kernel of its own, has none over the host.  What any task has counts.
        """
        mask = 0
        if self.shares_kernel:
            for one in (self.subject, *self._tasks()):
                if one.namespaces.user == self.host.process.namespaces.user:
                    mask |= one.capabilities.effective | one.capabilities.permitted
        return mask

    @property
    def capabilities(self) -> Capabilities:
        """The five sets, with what any task of the sandbox has."""
        return self.process.capabilities

    def load(self, name: str) -> Load:
        """
        Return what a bounded load against one limit came to.

        It runs once for a target, in a sandbox of its own; an archive answers with what the run measured.

        Args:
            name: the limit: "memory", "cpu" or "pids".
        """
        return self.record.loads[name]

    def reach(self, network: str) -> Reach:
        """
        Return what a try to reach the peer came to.

        Args:
            network: the network mode of both sandboxes: "none", "private" or "host".
        """
        return self.record.reaches[network]

    def teardown(self) -> Record:
        """Return the record with what a further sandbox of this target left when it was ended; made once."""
        return self.record

    def residue(self) -> list[str]:
        """Return the traces of that sandbox after its runtime deleted it."""
        return self.teardown().residue

    def survivors(self) -> list[str]:
        """Return what outlived the first process of that sandbox, before its runtime deleted it."""
        return self.teardown().survivors

    def shared_file(self) -> SharedFile | None:
        """Return the owner of a file that it made in a folder of the host; None if no folder can be shared."""
        return self.teardown().shared_file


def peer_of(record: Record) -> SandboxView:
    """Return the second sandbox beside the target's own."""
    return SandboxView(record, peer=True)


def judge_fixtures(record: Record) -> dict[str, object]:
    """Return what an archived record gives for the fixtures that a check over facts may ask for, by name."""
    return {"sandbox": SandboxView(record), "host_facts": HostView(record), "peer": peer_of(record)}
