"""The live sandboxes of one session: each made on first use, made anew when it died, ended with the session.

In: targets and the hosts.  Out: `Sandbox`es.  Called by pool.py and measures.py.  Observes nothing.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Literal

from provisioner.errors import IsolationError
from provisioner.progress import step
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec
from pytest_isolation.observe.hosts import Hosts
from pytest_isolation.records.record import ATTACHED
from pytest_isolation.targets.select import Target

Part = Literal["main", "peer", "shell"]  # of a target's sandboxes


class SandboxCache:
    """
    The sandboxes of one session, or of one worker of it.

    Args:
        hosts: makes each host on first use.
    """

    def __init__(self, hosts: Hosts) -> None:
        self.recreated = 0
        self._hosts = hosts
        self._sandboxes: dict[tuple[str, Part], Sandbox] = {}
        self._further: list[Sandbox] = []
        self._locks: dict[tuple[str, Part], threading.Lock] = {}
        self._lock = threading.Lock()
        self._stopped = False

    def live(self, target: Target, part: Part) -> Sandbox:
        """Return one of the target's own sandboxes; one that died is made anew, and counted."""
        key = (target.id, part)
        with self._lock:
            lock = self._locks.setdefault(key, threading.Lock())
        with lock:
            if self._stopped:
                raise IsolationError(f"cannot start '{target.id}': the session ends")
            found = self._sandboxes.get(key)
            if found is not None and found.alive:
                return found
            if found is not None:
                found.close()
                self.recreated += 1
            self._sandboxes[key] = self.make(target, Spec(image="shell" if part == "shell" else "probe"))
            return self._sandboxes[key]

    def make(self, target: Target, spec: Spec) -> Sandbox:
        """Make a sandbox that its caller ends."""
        if target.attached is not None:
            raise IsolationError(f"cannot start anything for '{target.id}': {ATTACHED}")
        around = self._hosts.around(target.host) if target.is_machine else None
        return Sandbox(self._hosts.host(target.host), target.runtime, spec, around)

    def create(self, target: Target, spec: Spec) -> Sandbox:
        """Make a further sandbox of a target; ended with all others at the latest."""
        sandbox = self.make(target, spec)
        with self._lock:
            self._further.append(sandbox)
        return sandbox

    def stop(self) -> None:
        """Make no more of the targets' own: the session ends."""
        self._stopped = True

    def end(self, is_lost: Callable[[str], bool]) -> None:
        """End the own sandboxes of targets whose id this is true of; they are made anew when asked for."""
        with self._lock:
            lost = [self._sandboxes.pop(key) for key in list(self._sandboxes) if is_lost(key[0])]
        for sandbox in lost:
            sandbox.close()

    def release(self) -> None:
        """End every sandbox, side by side; the hosts stay."""
        with self._lock:
            sandboxes = [*self._sandboxes.values(), *self._further]
            self._sandboxes.clear()
            self._further.clear()
        if sandboxes:
            with step("end the sandboxes"), ThreadPoolExecutor(max_workers=len(sandboxes)) as threads:
                list(threads.map(lambda sandbox: sandbox.close(), sandboxes))
