"""The sandbox as a check reads it: both views and reconciled namespaces.

In: a `Record`.
Out: `SandboxView`, and `HostView` of host_view.py.
Touches no machine: `live/sandbox.py` adds what needs a running sandbox.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial

from provisioner.errors import UnobservedFact
from provisioner.facts.capabilities import CapabilitySet
from provisioner.facts.document import Facts
from provisioner.facts.image import ImageSeen
from provisioner.facts.network import NetworkSeen
from provisioner.facts.process import Process, TaskState
from provisioner.facts.reach import Reach
from provisioner.facts.status import Capabilities
from provisioner.facts.system import System
from provisioner.limits.document import Load
from provisioner.observed import Unobserved, is_missing
from provisioner.runtimes.declared import Declared
from provisioner.sandboxes.shared_file import SharedFile
from pytest_isolation.records.host_view import HostView as HostView  # checks import both views from here
from pytest_isolation.records.namespaces import NamespaceView
from pytest_isolation.records.record import Record, TargetInfo
from pytest_isolation.records.sentry import passed_through, sentry_kernel
from pytest_isolation.walls.inside_outside import corrected
from pytest_isolation.walls.machine.own_kernel import is_named_apart
from pytest_isolation.walls.network import PLACES
from pytest_isolation.walls.network import reached as reached_services
from pytest_isolation.walls.outside_alone import is_refused, may_gain
from pytest_isolation.walls.privileged_calls import rows_passed
from pytest_isolation.walls.served_sockets import Reached, reached
from pytest_isolation.walls.supervisor import without_supervisor
from pytest_isolation.walls.tasks import weakest


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

    def __repr__(self) -> str:
        return f"<{'peer' if self._peer else 'sandbox'} of {self.target.id}>"

    @property
    def record(self) -> Record:
        """All that was observed and measured of the target."""
        return self._record

    @property
    def target(self) -> TargetInfo:
        """The target: its kind, runtime and host, and what cannot be asked of it."""
        return self.record.target

    @property
    def inside(self) -> Facts:
        """The subject's view of itself."""
        return self.record.peer_inside if self._peer else self.record.inside

    @property
    def outside(self) -> Facts:
        """
        The host's view of the subject.

        Raises:
            UnobservedFact: there is none: the subject of a VM is no process of the host.
        """
        facts = self.record.peer_outside if self._peer else self.record.outside
        if facts is None:
            raise UnobservedFact("outside", "", "the subject is no process of the host")
        return facts

    @property
    def has_outside(self) -> bool:
        """Whether the subject is a process of the host, and was observed from there."""
        return isinstance(self.record.raw("peer_outside" if self._peer else "outside"), Facts)

    @property
    def why_blind(self) -> str:
        """Why nothing was observed from inside of an attached sandbox that the host sees: docker's exec."""
        inside = self.record.raw("inside")
        return inside.why if self.target.attached and self.has_outside and isinstance(inside, Unobserved) else ""

    def rows_passed(self, rows: Iterable[str]) -> list[str]:
        """
        Return the tries that passed the check of privilege (walls/privileged_calls.py), each with its answer.

        Where nothing was tried, none passes if the kernel refuses each of them for lack of a capability.
        """
        rows = tuple(rows)
        if self.why_blind:
            tasks: list[Process | TaskState] = [self.subject, *self._tasks()]
            host = self.host.process.namespaces.user
            over_host, over_own = may_gain(tasks, (host,)), may_gain(tasks, (host, self.subject.namespaces.user))
            if all(is_refused(row, over_host, over_own) for row in rows):
                return []
        return rows_passed(self.system, rows)

    @property
    def vmm(self) -> Facts:
        """
        The host's view of the hypervisor's process, or of the sentry's.

        Raises:
            UnobservedFact: a container has none.
        """
        if self.record.vmm is None:
            raise UnobservedFact("vmm", "", "a container has no hypervisor's process")
        return self.record.vmm

    @property
    def exec(self) -> Facts:
        """The view of a process that the runtime's own exec started in the sandbox."""
        return self.record.exec_

    @property
    def image(self) -> ImageSeen | None:
        """The image before anything was started from it; None if no image is made for this target."""
        return self.record.image

    @property
    def declared(self) -> Declared | None:
        """What the sandbox was to be, as its runtime tells it; None if the runtime does not tell."""
        return self.record.declared

    @property
    def reached_sockets(self) -> list[Reached]:
        """The unix sockets that it reaches and on which a process outside serves."""
        sockets = () if self.why_blind else self.system.sockets
        return reached(self.record.served_sockets, sockets, self.process.mounts, self.host.process.mounts)

    @property
    def system(self) -> System:
        """The system as the subject sees it, with all the tries."""
        if self.inside.system is None:
            raise UnobservedFact("inside.system", "", "the inside view holds no system part")
        return self.inside.system

    @property
    def host(self) -> HostView:
        """The host's view of itself."""
        return HostView(self.record)

    @property
    def this_machine(self) -> Facts | None:
        """The facts of a host that was observed and that the sandbox does not run on; None if it does."""
        held = self.record.raw("this_machine")
        return held if isinstance(held, Facts) else None

    @property
    def shares_kernel(self) -> bool:
        """
        Whether the sandbox runs on the host's own kernel.

        It does if the host sees the subject as one of its processes, or if the runtime confines processes.  The boot id
        does not count then: systemd-nspawn and LXD mount a made-up one over /proc/sys/kernel/random/boot_id.  So what
        a runtime says of itself can only remove walls here.  Otherwise the boot id decides; a sentry (gVisor) has none,
        and its kernel tells another name than the host's by uname(2) and in /proc/version.
        """
        if self.target.boundary == "process" or self.has_outside:
            return True
        if self.target.boundary == "sentry":
            return not is_named_apart(self.inside, self.record.host)
        return self.inside.boot_id == self.record.host.boot_id

    @property
    def is_behind_sentry(self) -> bool:
        """Whether a process of the host is its kernel (gVisor)."""
        return self.target.boundary == "sentry" and not self.shares_kernel

    @property
    def confined_name(self) -> str:
        """The words for the process that `confined` is."""
        if self.has_outside or self.shares_kernel:
            return "its process"
        return "its sentry's process" if self.target.boundary == "sentry" else "the hypervisor's process"

    @property
    def _kernel(self) -> str:
        """The identity of the kernel that it runs on: its boot id, or its sentry."""
        if self.shares_kernel:
            return self.record.host.boot_id
        return sentry_kernel(self.record, self._peer) if self.is_behind_sentry else self.inside.boot_id

    @property
    def confined(self) -> Process:
        """
        The process of the host's kernel that the boundary confines: the subject, the hypervisor's or the sentry's.

        Raises:
            UnobservedFact: the sandbox has its own kernel, and its hypervisor's or sentry's process was not observed.
        """
        if self.has_outside or self.shares_kernel:
            return self.process
        return self.vmm.process  # other processes in its cgroup or mounts (libvirtd) run no guest

    @property
    def process(self) -> Process:
        """
        The subject as a process, with the walls of the weakest task of the sandbox (docs/decisions/0009).

        Capabilities, no_new_privs, the filter and the label are those of the weakest task, all else is the subject's.
        """
        return weakest(self.subject, self._tasks, lambda: self.host.process)

    @property
    def subject(self) -> Process:
        """
        The subject alone, from outside if that was observed: the sandbox may forge the inside view.

        Of a VM there is only the inside view.
        """
        return self.outside.process if self.has_outside else self.inside.process

    @property
    def first(self) -> Process:
        """
        The subject as a process beside it is compared with it: what the runtime's exec starts.

        Paths, ids and labels are as the subject sees them.  Where both views differ, the outside view counts: a lie of
        the subject is a finding of view.agree alone.  Of an attached sandbox only the outside view is the subject's.
        """
        if self.target.attached:
            return self.subject
        # behind a sentry the host sees another process
        seen = self.has_outside and self.target.boundary == "process"
        return corrected(self.inside.process, self.outside.process) if seen else self.inside.process

    @property
    def tasks(self) -> Sequence[TaskState]:
        """
        The other tasks of the sandbox with another state than its subject, each distinct state once.

        The program that started it inside, out of its reach, is none of them (walls/supervisor.py).
        """
        return self._tasks()

    def _tasks(self) -> Sequence[TaskState]:
        if not self.has_outside:
            return ()
        return without_supervisor(self.outside, self.record.raw("peer_inside" if self._peer else "inside"))

    def _host_inode(self, kind: str) -> int | None:
        tasks = self._tasks()
        hosts: int | None = getattr(self.host.process.namespaces, kind) if tasks else None
        return hosts if any(getattr(task.namespaces, kind) == hosts for task in tasks) else None

    @property
    def namespaces(self) -> NamespaceView:
        """
        The sandbox's namespaces, from outside if that was observed, with the boot id of their kernel.

        They are the subject's; of a kind in which another task of the sandbox is in the host's namespace, the host's.
        Behind a sentry in the host's network namespace, the network is the host's (gVisor, --network=host).
        """
        if self.has_outside:
            return NamespaceView(self.outside, self.record.host.boot_id, self._host_inode)
        through = partial(passed_through, self.record) if self.is_behind_sentry else None
        return NamespaceView(self.inside, self._kernel, through, self.record.host.boot_id)

    @property
    def capabilities_over_host(self) -> CapabilitySet:
        """
        The capabilities over the host, effective and permitted, of any task of the sandbox, as a mask.

        A capability counts only in the user namespace that holds it (user_namespaces(7)): a process in its own user
        namespace, or on its own kernel, has none over the host.
        """
        mask = CapabilitySet(0)
        if self.shares_kernel:
            for one in (self.subject, *self._tasks()):
                if one.namespaces.user == self.host.process.namespaces.user:
                    mask |= one.capabilities.effective | one.capabilities.permitted
        return mask

    @property
    def capabilities(self) -> Capabilities:
        """The five sets of capabilities, with those of every task of the sandbox."""
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

    def network(self) -> NetworkSeen | None:
        """
        Return who reached whom in a network of our own: --isolation-network.

        Returns:
            None if it was not asked for, or if the runtime's networks cannot be tried so.
        """
        if is_missing(self.record.raw("network")):
            return None
        return self.record.network

    def can_reach(self, place: str, protocol: str = "") -> bool:
        """
        Return whether a sandbox of this target reaches a service in a network of our own (docs/how-to/network.md).

        Args:
            place: "peer", "other", "host", "loopback" (of the host), "lan", "far" or "metadata".
            protocol: "tcp", "udp", "icmp" or "unix-abstract"; "" for any.

        Raises:
            KeyError: there is no such place.
            UnobservedFact: it was not tried, for example without --isolation-network, or the service was not there.
        """
        member, services = PLACES[place]
        seen = self.network()
        if seen is None:
            raise UnobservedFact("network", "", "the networks of this target were not tried: --isolation-network")
        attempts = [one for one in seen.attempts if protocol in ("", one.protocol)]
        return bool(reached_services(attempts, ["sandbox"], [member], services))

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
    """Return the second sandbox of the target."""
    return SandboxView(record, peer=True)


def judge_fixtures(record: Record) -> dict[str, object]:
    """Return the fixtures of a check over facts, by name, from an archived record."""
    return {"sandbox": SandboxView(record), "host_facts": HostView(record), "peer": peer_of(record)}
