"""The hosts of one session: this machine, and machines of lab.yaml over SSH, each started on first use.

In: the names of hosts.
Out: `Host`s that share one journal.  A machine that does not run is started, converged or restored from its snapshot,
and stopped at the end of the session; a machine that runs is left running.  A worker of pytest-xdist finds the machines
running: its controller started them.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from provisioner.connection.local import end_commands
from provisioner.errors import IsolationError
from provisioner.hosts.files_local import LocalFiles
from provisioner.hosts.helper import Helpers
from provisioner.hosts.host import Host
from provisioner.journal.beside import Leftovers
from provisioner.journal.needs import NOTHING, Needs
from provisioner.journal.run import Run
from provisioner.linux.processes import read_process, send_signal
from provisioner.probe.build import BuiltProbe, probe_binary
from provisioner.progress import step
from provisioner.sandboxes.spec import OuterHost
from pytest_isolation.options import LOCAL
from pytest_isolation.targets.target import Target

if TYPE_CHECKING:
    from provisioner.machines.lab import Lab, MachineSpec
    from provisioner.machines.prepare import ReadyMachine


class Hosts:
    """
    The hosts of one session, or of one worker of pytest-xdist.

    Args:
        kernel: the kernel that micro VMs boot, or None for the distribution's.
        lab: the lab of the machines, or None if no machine was asked for.
        worker: whether this is a worker.
        needs: what the session uses; what killed runs left of all else is undone beside the session.
        helper: whether helpers may look at the hosts of engines that are elsewhere.
    """

    def __init__(
        self,
        kernel: Path | None = None,
        lab: Lab | None = None,
        worker: bool = False,
        needs: Needs = NOTHING,
        helper: bool = False,
    ) -> None:
        self._kernel = kernel
        self._lab = lab
        self._worker = worker
        self._lock = threading.RLock()
        self._locks: dict[str, threading.Lock] = {}
        self._hosts: dict[str, Host] = {}
        self._helpers = Helpers() if helper else None
        self._machines: dict[str, ReadyMachine] = {}
        self._last = contextlib.ExitStack()  # stops the machines that we started, after their hosts are closed
        self._run: Run | None = None
        self._leftovers = Leftovers(needs)
        self._probe: BuiltProbe | None = None
        self._aborted = False
        self._starting: set[str] = set()

    def undo_leftovers(self) -> None:
        """Undo what dead runs left of what the session uses, such as workers of pytest-xdist that were killed."""
        self._leftovers.undo(beside=False)

    def host(self, name: str) -> Host:
        """
        Return a host, started on first use.

        Args:
            name: "local", or a machine of lab.yaml.

        Raises:
            IsolationError: the machine does not start or converge, or the probe cannot be built or run there.
        """
        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
            run, probe = self._open_run()
        with lock:
            if name not in self._hosts:
                made = self._make_local(run, probe) if name == LOCAL else self._make_remote(name, run, probe)
                with self._lock:
                    self._hosts[name] = made
                if self._aborted:
                    made.abort()
            return self._hosts[name]

    def host_of(self, target: Target) -> Host:
        """
        Return the host on which a target's sandboxes are made, with the view of a helper if that was allowed.

        Args:
            target: the target.

        Raises:
            IsolationError: as `host` does, or the helper cannot be started.
        """
        host = self.host(target.host)
        if self._helpers is None or target.host != LOCAL:
            return host
        return self._helpers.seen(host, target.runtime)

    @property
    def local(self) -> Host:
        """This machine as a host."""
        return self.host(LOCAL)

    def machine(self, name: str) -> tuple[ReadyMachine, Host, MachineSpec]:
        """
        Return a machine that is ready, the host on it and its part of lab.yaml.

        Args:
            name: the machine's name in lab.yaml.

        Raises:
            IsolationError: as `host` does.
        """
        assert self._lab is not None
        host = self.host(name)
        return self._machines[name], host, self._lab.machine(name)

    def outer(self, name: str) -> OuterHost:
        """Return what is around a machine: this host, and the process of the machine's hypervisor on it."""
        assert self._lab is not None
        self.host(name)
        return OuterHost(self.local, self._machines[name].machine.vmm_pid(), self._lab.machine(name).provider)

    def moved(self) -> list[str]:
        """Return one line for each thing outside that changed since its host was started, and must not have."""
        with self._lock:
            hosts = dict(self._hosts)
        lines = [f"{name}: {line}" for name, host in hosts.items() for line in host.moved()]
        return lines + (self._helpers.moved() if self._helpers else [])

    def roll_back(self, name: str) -> None:
        """Restore a machine from its snapshot; the host on it is started again on its next use."""
        from provisioner.machines.prepare import connect

        with self._lock:
            lock = self._locks.setdefault(name, threading.Lock())
        with lock:
            host, ready = self._hosts.pop(name, None), self._machines[name]
            if host is not None:
                with contextlib.suppress(IsolationError):  # a test may have broken what close() needs
                    host.close()
            ready.connection.close()
            if not ready.machine.restore(ready.snapshot):
                raise IsolationError(
                    f"cannot roll back machine '{name}': its snapshot is gone", f"provisioner up {name}"
                )
            # a restored machine may have another address
            self._machines[name] = replace(ready, connection=connect(ready.machine, name))

    def abort(self) -> None:
        """End every command that runs on any host, and every later one."""
        self._aborted = True
        self._leftovers.stop()
        end_commands()
        for host in list(self._hosts.values()):
            host.abort()
        for name in list(self._starting):
            self._end_start(name)

    def _end_start(self, name: str) -> None:
        """End the hypervisor of a machine that this session is starting, so that nothing waits for its boot."""
        from provisioner.machines.find import find_machine

        assert self._lab is not None
        assert self._run is not None
        with contextlib.suppress(IsolationError):
            pid = find_machine(self._lab, name, self._run).vmm_pid()
            process = read_process(pid) if pid is not None else None
            if process is not None:
                send_signal(process, signal.SIGKILL)

    def close(self) -> None:
        """Remove what this session made on each host, stop the machines that it started, close the journal."""
        with self._lock:
            hosts, self._hosts = self._hosts, {}
            run, self._run = self._run, None
        with contextlib.ExitStack() as last:
            if run is not None:
                last.callback(run.close)
            last.callback(self._leftovers.close)
            last.callback(self._last.close)
            for ready in self._machines.values():
                last.callback(ready.connection.close)
            for host in hosts.values():
                last.callback(host.close)
            if self._helpers is not None:
                last.callback(self._helpers.close)

    def _open_run(self) -> tuple[Run, BuiltProbe]:
        """Remove what dead runs left, start the journal of this run and build the probe; only the first call does."""
        if self._run is None:
            self._leftovers.undo(beside=not self._worker)
            self._run = Run.start()
        if self._probe is None:
            with step("build the probe"):
                self._probe = probe_binary()
        return self._run, self._probe

    def _make_local(self, run: Run, probe: BuiltProbe) -> Host:
        return Host(LocalFiles(), run, probe, self._kernel)

    def _make_remote(self, name: str, run: Run, probe: BuiltProbe) -> Host:
        from provisioner.hosts.files_ssh import SshFiles

        return Host(SshFiles(self._ready(name, run).connection), run, probe)

    def _ready(self, name: str, run: Run) -> ReadyMachine:
        from provisioner.converge.role import load_roles
        from provisioner.machines.find import find_machine
        from provisioner.machines.prepare import (
            ReadyMachine,
            connect,
            converged_snapshot,
            prepare_machine,
            stop_after_use,
        )

        assert self._lab is not None  # select_targets has looked the machine up in it
        if name in self._machines:
            return self._machines[name]  # rolled back: it runs, and its connection opens again
        if self._worker:
            spec = self._lab.machine(name)
            machine = find_machine(self._lab, name, run)
            found = ReadyMachine(
                machine, connect(machine, name), converged_snapshot(spec, load_roles(spec.roles)), "ran"
            )
        else:
            self._last.enter_context(stop_after_use(self._lab, name, run))
            with self._starting_of(name, run):
                found = prepare_machine(self._lab, name, run)
        with self._lock:
            self._machines[name] = found
        return found

    @contextlib.contextmanager
    def _starting_of(self, name: str, run: Run) -> Iterator[None]:
        """Let `abort` end the machine meanwhile, if it does not run yet."""
        from provisioner.machines.find import find_machine

        assert self._lab is not None
        try:
            runs = find_machine(self._lab, name, run).status() == "running"
        except IsolationError:
            runs = False  # its box is not built yet
        if not runs:
            self._starting.add(name)
        try:
            yield
        finally:
            self._starting.discard(name)
