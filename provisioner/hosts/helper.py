"""Looks at the host of an engine's daemon by a helper: a container in the namespaces of that host, with all rights.

In: this machine as a `Host`, and a runtime that has a `helper`.  Out: the same host with the view of the helper, or
as it was if the daemon is on this machine.  The helper is root on the daemon's host: only the user may allow it.
"""

from __future__ import annotations

import secrets
import threading
from pathlib import Path

from provisioner.connection.local import last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts.namespaces import INITIAL
from provisioner.hosts.canaries import Canaries
from provisioner.hosts.host import Host
from provisioner.hosts.outside import OutsideView
from provisioner.journal.entry import UndoEntry
from provisioner.journal.run import Run
from provisioner.linux.cgroups import MAIN_CONTROLLERS, Mode
from provisioner.probe.frames import ChannelError
from provisioner.progress import step
from provisioner.runtimes.engine import Engine
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import Runtime, symptom_in


class HelperView(OutsideView):
    """
    The view of a helper.  Close it before the host whose image it uses.

    Args:
        host: this machine.
        runtime: the engine; it has a `helper`.

    Raises:
        IsolationError: the engine does not start the helper, or it may not enter the namespaces of the daemon's host.
    """

    here = False

    def __init__(self, host: Host, runtime: Runtime) -> None:
        assert runtime.helper is not None
        self._host, self._runtime = host, runtime
        name, nonce = f"isolation-{host.run.id}-helper-{secrets.token_hex(2)}", secrets.token_hex(8)
        self._entry = self._made_delete(name)
        engine = Engine(runtime, host.connection)
        stream = host.start(self._argv(name, "serve", nonce, "--host"), None, host.directory)
        try:
            super().__init__(
                f"{runtime.name}'s daemon", stream, nonce, deadline("hello.container.remote"), engine.check
            )
        except ChannelError as error:
            errors = stream.errors().decode("utf-8", "backslashreplace")
            symptom = symptom_in(runtime, errors)
            cause, hint = (symptom.cause, symptom.mend) if symptom else (last_line(errors.encode()) or error.what, "")
            hint = hint or "use --isolation-host, or leave out --isolation-helper"
            raise IsolationError(f"cannot start the helper of '{runtime.name}': {cause}", hint, errors) from None
        try:
            self.pid = self.outside(nonce).process.pid  # the stream's is the client's
            self.canaries = Canaries(_HelperFiles(self), host.run, self._channel, Path("/probe"), None)
        except BaseException:
            stream.kill()
            raise

    @property
    def is_elsewhere(self) -> bool:
        """Whether the helper sees what this machine does not: another kernel, or more processes of this one."""
        here = self._host.facts
        same = here.raw("boot_id") == self.facts.raw("boot_id")
        return not same or here.process.namespaces.raw("pid") != INITIAL["pid"]

    @property
    def cgroup_mode(self) -> Mode:
        """The cgroup version that has the controllers of the daemon's host."""
        held = {controller for line in self.facts.process.cgroups for controller in line.controllers}
        return "v1" if held & set(MAIN_CONTROLLERS) else "v2"

    def close_view(self) -> None:
        """End the helper.  What cannot be deleted now stays in the journal."""
        super().close_view()
        if self._stream.wait(0) == 0:
            self._host.run.gone(self._entry)

    def made_canaries(self, run: Run, key: int, name: str) -> UndoEntry:
        """Record in the journal the helper that deletes canaries; call it before they are made."""
        argv = self._argv(f"isolation-{run.id}-delete", "canaries", "delete", str(key), name)
        return self._host.files.made_command(run, argv, self._host.remembered(self._runtime))

    def _made_delete(self, name: str) -> UndoEntry:
        argv = render_argv(self._runtime.delete or [], self._values(name), f"{self._runtime.name}: delete")
        return self._host.files.made_command(self._host.run, argv, self._host.remembered(self._runtime))

    def _argv(self, name: str, *argv: str) -> list[str]:
        values = {**self._values(name), "argv": list(argv)}
        return render_argv(self._runtime.helper or [], values, f"{self._runtime.name}: helper")

    def _values(self, name: str) -> dict[str, object]:
        return {**self._host.values(self._runtime), "name": name}


class _HelperFiles:
    """What canaries need of the files of the daemon's host, which nobody here may read."""

    watched = ()

    def __init__(self, view: HelperView) -> None:
        self._view = view

    def read(self, path: Path) -> bytes:
        raise IsolationError(f"cannot read '{path}' on the daemon's host")

    def made_canaries(self, run: Run, probe: Path, key: int, name: str) -> UndoEntry:
        return self._view.made_canaries(run, key, name)


class Helpers:
    """The helpers of a run: at most one for each engine.  Close them before the host."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._views: dict[str, HelperView | None] = {}

    def seen(self, host: Host, runtime: Runtime) -> Host:
        """
        Return a host with the view of a helper, or as it is if the helper sees no more than this machine does.

        Args:
            host: this machine.
            runtime: the engine; without a `helper` the host stays as it is.

        Raises:
            IsolationError: as `HelperView` does.
        """
        if runtime.helper is None:
            return host
        with self._lock:
            if runtime.name not in self._views:
                with step(f"look at the host of {runtime.name}'s daemon by a helper"):
                    view = HelperView(host, runtime)
                if not view.is_elsewhere:
                    view.close_view()
                self._views[runtime.name] = view if view.is_elsewhere else None
            known = self._views[runtime.name]
        return host if known is None else host.seen_by(known, known.cgroup_mode)

    def moved(self) -> list[str]:
        """Return one line for each canary of a helper that changed."""
        views = [view for view in self._views.values() if view is not None]
        return [f"{view.seen_from}: {line}" for view in views for line in view.moved()]

    def close(self) -> None:
        """End the helpers."""
        for view in self._views.values():
            if view is not None:
                view.close_view()
        self._views.clear()
