"""What one host shows of itself and of sandboxes from outside, by a probe that serves there.

In: the streams of a probe that was started on the host.  Out: the host's facts, facts about any process there, and the
canaries.  Nothing is created in a runtime, and no template is rendered.
"""

from __future__ import annotations

import contextlib

from provisioner.connection.local import Check, ConnectionLost, Stream, last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts.document import Facts, parse_facts
from provisioner.facts.served_sockets import ServedSocket, parse_sockets
from provisioner.faults.explain import hint_in
from provisioner.hosts.canaries import Canaries
from provisioner.hosts.canary_processes import canary_processes
from provisioner.hosts.user_files import user_file_words
from provisioner.probe.channel import Channel
from provisioner.probe.request import Reply

FACTS_BYTES = 1 << 20
NOT_THERE = "no process serves"  # probe/process/subject.c
CAP_SYS_ADMIN = 21


class OutsideView:
    """
    A probe that serves on a host, and what it sees there.  Close it.

    Args:
        seen_from: the host's name, for errors.
        stream: the streams of the command that started the probe.
        nonce: the nonce of the probe.
        seconds: until the probe must have answered.
        check: as `Channel` takes it.

    Raises:
        IsolationError: the probe does not answer.

    Attributes:
        here: whether it is on this machine, or on a machine where the runtime's commands run too.
        pid: of the probe there: a process outside of every sandbox, also the canary process.
        facts: the host's facts at the start.
        canaries: objects that no sandbox may reach; `watch` sets them.
    """

    here = True
    canaries: Canaries

    def __init__(self, seen_from: str, stream: Stream, nonce: str, seconds: float, check: Check | None = None) -> None:
        self.seen_from = seen_from
        self.nonce = nonce
        self.pid = stream.pid
        self._stream = stream
        try:
            self._channel = Channel(stream, nonce, seen_from, seconds, check)
            self.facts = self.look()
        except BaseException:
            stream.kill()
            raise

    @property
    def canary_words(self) -> list[str]:
        """Arguments of the verb `facts` that name what a sandbox must not reach: first a process, then IPC objects."""
        return [f"canary={self.pid}:{self.nonce}", f"objects={self.canaries.words}"]

    def canary_processes(self, seen: Facts | None) -> contextlib.AbstractContextManager[list[str]]:
        """
        Start processes that a sandbox must not look into: `hosts/canary_processes.py`.

        Args:
            seen: this host's view of the sandbox's first process; None: start none.
        """
        return contextlib.nullcontext([]) if seen is None else canary_processes(self._channel, seen.process, self.nonce)

    def moved(self) -> list[str]:
        """Return one line for each canary that changed since this run began."""
        return self.canaries.moved()

    @property
    def is_root(self) -> bool:
        """Whether commands run as root on the host."""
        return self.facts.process.uid[1] == 0

    @property
    def sys_admin(self) -> bool:
        """Whether commands may make namespaces: root in a container often lacks CAP_SYS_ADMIN."""
        return bool(self.facts.process.capabilities.effective >> CAP_SYS_ADMIN & 1)

    @property
    def cpus(self) -> int:
        """The number of processors that are online."""
        return self.facts.system.cpus if self.facts.system else 1

    def look(self) -> Facts:
        """Return the host's facts as they are now; `facts` holds those of the run's start."""
        return self._ask("facts", self.nonce, *user_file_words(), view_nonce=self.nonce)

    def facts_beside(self) -> Facts:
        """
        Return `facts` with the present mounts, for a comparison with those of a running sandbox.

        Equal device numbers mean one file system, but the kernel reuses the number of a file system that is gone: with
        an old table a mount of the sandbox could be mistaken for one of the host.
        """
        now = self.outside_pid(self.pid, self.nonce)
        process = self.facts.process.model_copy(update={"mounts": now.process.raw("mounts")})
        return self.facts.model_copy(update={"process": process})

    def outside(self, nonce: str, filters: bool = False, command: int | None = None) -> Facts:
        """
        Return the outside view of a sandbox's subject.

        Args:
            nonce: the nonce of the probe that serves in the sandbox.
            filters: whether to read the seccomp filters of its tasks, which stops each task for less than 1 ms.
            command: the process that runs the command which started it, if the sandbox may descend from it.

        Raises:
            IsolationError: there is no such process, or the host's probe does not answer.
        """
        words = [*(["filters"] if filters else []), *([f"command={command}"] if command else [])]
        return self._ask("outside", nonce, nonce, *words, view_nonce=nonce)

    def outside_if_there(self, nonce: str) -> Facts | None:
        """
        Like `outside`, for a subject that should be no process of this host: then there is none, and it is None.

        Args:
            nonce: the nonce of the probe that serves in the sandbox.
        """
        try:
            return self.outside(nonce, filters=True)
        except IsolationError as error:
            if NOT_THERE in error.what:
                return None
            raise

    def outside_pid(self, pid: int, nonce: str, filters: bool = False, holdings: bool = False) -> Facts:
        """
        Like `outside`, for a process by its pid.

        Args:
            pid: the process.
            nonce: the nonce that the answer carries.
            filters: whether to read the seccomp filters of its tasks, which stops each task for less than 1 ms.
            holdings: whether to look at its files and connections as those of a hypervisor.
        """
        words = [word for word, asked in (("filters", filters), ("holdings", holdings)) if asked]
        return self._ask("outside", nonce, f"pid:{pid}", *words, view_nonce=nonce)

    def served_sockets(self, subject: str, nonce: str) -> list[ServedSocket]:
        """
        Return the unix sockets with a path on which processes of the host serve.

        Args:
            subject: the nonce of the probe that serves in a sandbox, or "pid:N"; its own sockets are told apart.
            nonce: the nonce that the answer carries.

        Raises:
            IsolationError: there is no such process, or the host's probe could not look.
        """
        reply = self._channel.request("served_sockets", nonce, subject, deadline=deadline("outside"), bound=FACTS_BYTES)
        return parse_sockets(checked(reply, "served_sockets", self.seen_from), nonce)

    def _ask(self, *argv: str, view_nonce: str) -> Facts:
        reply = self._channel.request(*argv, deadline=deadline("outside"), bound=FACTS_BYTES)
        return parse_facts(checked(reply, argv[0], self.seen_from), view_nonce)

    def close_view(self) -> None:
        """Delete the canaries and end the probe.  What cannot be deleted now stays in the journal."""
        if hasattr(self, "canaries"):
            self.canaries.close()
        self._stream.end_input()
        with contextlib.suppress(ConnectionLost):
            self._stream.wait(deadline("close"))
        self._stream.kill()


def checked(reply: Reply, verb: str, name: str) -> bytes:
    """
    Return the output of a successful request.

    Args:
        reply: the answer.
        verb: the request, for errors.
        name: the host, for errors.

    Raises:
        IsolationError: the request failed, with its reason.
    """
    if reply.ok:
        return reply.data
    cause = last_line(reply.log) or reply.ended
    raise IsolationError(f"cannot get '{verb}' from '{name}': {cause}", hint_in(cause))
