"""The live sandboxes of a session: each made on first use, made again if it died, ended with the session.

In: targets and the hosts.  Out: `Sandbox`es.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from provisioner.errors import IsolationError
from provisioner.hosts.runtime_images import ImageName
from provisioner.progress import step
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec
from pytest_isolation.observe.hosts import Hosts
from pytest_isolation.options import LOCAL
from pytest_isolation.records.record import ATTACHED
from pytest_isolation.targets.target import Target

Part = Literal["main", "peer", "shell"]  # of a target's sandboxes


@dataclass(frozen=True)
class _Live:
    target: Target
    sandbox: Sandbox


class SandboxCache:
    """
    The sandboxes of one session, or of one worker of pytest-xdist.

    Args:
        hosts: the hosts to create them on; each is started on first use.
        userland: the image of the sandboxes with a shell: "shell" (BusyBox) or "debian".
        networks: whether the networks of runtimes are tried in a world of their own.

    Attributes:
        recreated: how many sandboxes died and were made again.
    """

    def __init__(self, hosts: Hosts, userland: ImageName = "shell", networks: bool = False) -> None:
        self.hosts = hosts
        self.userland = userland
        self.networks = networks
        self.recreated = 0
        self._live: dict[tuple[str, Part], _Live] = {}
        self._further: list[Sandbox] = []
        self._locks: dict[tuple[str, Part], threading.Lock] = {}
        self._lock = threading.Lock()
        self._stopped = False
        self._process = os.getpid()

    def require_process(self) -> None:
        """
        Raise IsolationError in a forked child: the threads that hear the sandboxes are the session's.

        A test runs in a forked child by pytest-forked, or forks itself.
        """
        if os.getpid() != self._process:
            raise IsolationError(
                "cannot act on sandboxes from a forked process: they answer the process of the session",
                "run the test without --forked and without the mark 'forked'",
            )

    def live(self, target: Target, part: Part = "main") -> Sandbox:
        """
        Return a sandbox that belongs to the target; one that died is made again, and counted.

        Args:
            target: the target.
            part: the target's own ("main"), the second one beside it ("peer"), or one with a userland ("shell").

        Raises:
            IsolationError: it cannot be created, or the session ends.
        """
        self.require_process()
        key = (target.id, part)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if self._stopped:
                raise IsolationError(f"cannot start '{target.id}': the session ends")
            known = self._live.get(key)
            if known is not None and known.sandbox.alive:
                return known.sandbox
            if known is not None:
                known.sandbox.close()
                self.recreated += 1
            sandbox = self.make(target, Spec(image=self.userland if part == "shell" else "probe"))
            self._live[key] = _Live(target, sandbox)
            return sandbox

    def shell(self, target: Target) -> Sandbox:
        """Return a live sandbox with /bin/sh: one with a userland, or the target's own where no image is made."""
        return self.live(target, "main" if target.runtime.image == "none" else "shell")

    def make(self, target: Target, spec: Spec) -> Sandbox:
        """Create a sandbox that the caller closes; raises IsolationError for an attached target."""
        self.require_process()
        if target.attached is not None:
            raise IsolationError(f"cannot start anything for '{target.id}': {ATTACHED}")
        outer = self.hosts.outer(target.host) if target.is_machine else None
        return Sandbox(self.hosts.host_of(target), target.runtime, spec, outer)

    def create(self, target: Target, spec: Spec) -> Sandbox:
        """Create a further sandbox of a target; it is ended with all others at the latest."""
        sandbox = self.make(target, spec)
        with self._lock:
            self._further.append(sandbox)
        return sandbox

    def roll_back(self, target: Target) -> None:
        """
        Undo what a destructive test did.

        A target's own sandboxes are made again on their next use.  A machine is restored from its snapshot, and the
        sandboxes of all targets on it are ended.
        """
        on_machine = target.host != LOCAL
        self._end(lambda other: other.id == target.id or (on_machine and other.host == target.host))
        if on_machine:
            self.hosts.roll_back(target.host)

    def _end(self, is_lost: Callable[[Target], bool]) -> None:
        with self._lock:
            lost = [self._live.pop(key) for key, live in list(self._live.items()) if is_lost(live.target)]
        for live in lost:
            live.sandbox.close()

    def stop(self) -> None:
        """Let `live` create no more: the session ends."""
        self._stopped = True

    def release(self) -> None:
        """End every sandbox, side by side; the hosts stay."""
        with self._lock:
            sandboxes = [*(live.sandbox for live in self._live.values()), *self._further]
            self._live.clear()
            self._further.clear()
        if sandboxes:
            with step("end the sandboxes"), ThreadPoolExecutor(max_workers=len(sandboxes)) as threads:
                try:
                    list(threads.map(lambda sandbox: sandbox.close(), sandboxes))
                except RuntimeError:  # too little memory for a thread
                    for sandbox in sandboxes:
                        sandbox.close()

    def close(self) -> None:
        """End every sandbox and close the hosts; safe to repeat."""
        try:
            self.release()
        finally:
            self.hosts.close()
