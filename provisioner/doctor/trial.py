"""Tries a runtime: creates a sandbox and waits for the hello of its probe.  A `--version` proves nothing.

In: a Run, a function that returns the probe, a Runtime.  Out: `Hello`, or an IsolationError for the user.  Several
threads may call it.  It fetches nothing: a trial that would need a download raises `NotTried`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from provisioner.connection.local import end_commands
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.hosts.files_local import LocalFiles
from provisioner.hosts.host import Host
from provisioner.images.kernel import find_kernel
from provisioner.journal.run import Run
from provisioner.probe.build import BuiltProbe
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import Runtime
from provisioner.sandboxes.sandbox import Sandbox
from provisioner.sandboxes.spec import Spec

POLL = 0.2  # seconds


class NotTried(IsolationError):
    """The trial lacks something of its own, so nothing is known about the runtime."""


@dataclass(frozen=True)
class Hello:
    """A sandbox answered: seconds until its hello, and the version of the runtime ("" if unknown)."""

    seconds: float
    version: str


class Trials:
    """Tries runtimes on one host, which starts with the first trial."""

    def __init__(self, run: Run, probe: Callable[[], BuiltProbe]) -> None:
        self._run = run
        self._probe = probe
        self._lock = threading.Lock()
        self._idle = threading.Condition()
        self._going = 0
        self._host: Host | None = None
        self._why: IsolationError | None = None
        self._aborted = False

    def hello(self, runtime: Runtime) -> Hello:
        """
        Create a sandbox of the runtime and delete it.

        Raises:
            NotTried: the trial lacks something of its own.
            IsolationError: the runtime cannot create a sandbox here.
        """
        if runtime.image == "initramfs" and find_kernel() is None:
            raise NotTried("not tried: no guest kernel is in the cache", "provisioner kernel")
        with self._idle:
            self._going += 1
        try:
            host = self._started()
            with Sandbox(host, runtime, Spec()) as sandbox:
                return Hello(sandbox.hello_seconds, "" if self._aborted else _version(runtime, host))
        finally:
            with self._idle:
                self._going -= 1
                self._idle.notify_all()

    def _started(self) -> Host:
        with self._lock:
            if self._host is None and self._why is None:
                try:
                    self._host = Host(LocalFiles(), self._run, self._probe())
                except IsolationError as error:
                    self._why = error
            if self._host is None:
                assert self._why is not None  # one of the two is set
                raise NotTried(f"not tried: {self._why.what}", self._why.hint, self._why.log)
            return self._host

    def abort(self) -> None:
        """End all running trials."""
        self._aborted = True
        if self._host is not None:
            self._host.abort()

    def close(self) -> None:
        """End running trials and the host's probe, and delete imported images."""
        self.abort()
        until = time.monotonic() + deadline("close")
        with self._idle:
            while self._going and time.monotonic() < until:
                end_commands()  # again: a trial may have started another one
                self._idle.wait(POLL)
        if self._host is not None:
            self._host.close()


def _version(runtime: Runtime, host: Host) -> str:
    if runtime.version is None:
        return ""
    argv = render_argv(runtime.version.argv, host.values(runtime), "version")
    try:
        done = host.connection.run(argv, deadline("doctor.command"))
    except IsolationError:
        return ""
    return runtime.version.read(done.stdout)
