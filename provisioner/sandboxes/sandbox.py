"""One created container or VM: runs its runtime's commands and connects to the probe inside.

In: a Host, a Runtime and a Spec.  Out: `Sandbox`.
"""

from __future__ import annotations

import contextlib
import functools
import itertools
import json
import os
import secrets
import time
from pathlib import Path

from provisioner.connection.local import Stream, last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts.document import Facts, parse_facts
from provisioner.facts.image import ImageSeen
from provisioner.facts.served_sockets import ServedSocket
from provisioner.hosts.host import Host
from provisioner.hosts.outside import FACTS_BYTES, checked
from provisioner.hosts.user_files import user_file_words
from provisioner.journal.entry import UndoEntry
from provisioner.limits.guard import Spare, read_spare
from provisioner.linux.cgroups import Cgroups, make_cgroups
from provisioner.probe.channel import Channel
from provisioner.probe.exec_output import after_mark
from provisioner.probe.frames import ChannelError
from provisioner.probe.request import Reply
from provisioner.runtimes.declared import Declared
from provisioner.runtimes.engine import Engine
from provisioner.runtimes.render import render_argv, render_value
from provisioner.runtimes.runtime import Runtime, symptom_in
from provisioner.runtimes.settings import json_at
from provisioner.runtimes.users_files import fill
from provisioner.sandboxes.config import write_config
from provisioner.sandboxes.declaration import read_declaration, with_shown
from provisioner.sandboxes.flags import amounts_of, limit_flags, network_flags, volume_flags
from provisioner.sandboxes.set_by import what_set
from provisioner.sandboxes.spec import OuterHost, RefusedError, Spec

_numbers = itertools.count(1)


class Sandbox:
    """
    A running sandbox.  Close it, or use it in a `with`.

    Args:
        host: the host that its commands run on.
        runtime: the runtime that creates it.
        spec: what is asked of it.
        outer_host: the host of `host`, if `host` is a machine that is the sandbox itself.

    Raises:
        RefusedError: the runtime refuses to create it.
        IsolationError: it does not answer.
    """

    def __init__(self, host: Host, runtime: Runtime, spec: Spec, outer_host: OuterHost | None = None) -> None:
        self.host = host
        self.outer = outer_host.host if outer_host else host
        self.provider = outer_host.provider if outer_host else ""
        self._outer_host = outer_host
        self.runtime = runtime
        self.engine = Engine(runtime, host.connection)
        self.spec = spec
        self.name = f"isolation-{host.run.id}-{next(_numbers)}"
        self.nonce = secrets.token_hex(8)
        self._cgroups: Cgroups | None = None
        self._undo_entries: list[UndoEntry] = []
        self._values: dict[str, object] = {}
        self._stream: Stream | None = None
        self._bundle = host.directory / self.name
        try:
            self._values = self._make_values()
            started = time.monotonic()
            self._stream = self._start()
            self.channel = self._connect(self._stream)
            self.ready = time.monotonic()
            self.hello_seconds = self.ready - started
        except BaseException:
            self.close()
            raise

    def _make_values(self) -> dict[str, object]:
        values = self.host.values(self.runtime, self.spec.image)
        self.host.files.make_folder(self._bundle, 0o755)
        values |= {
            "name": self.name,
            "nonce": self.nonce,
            "bundle": str(self._bundle),
            "console": str(self._bundle / "console.log"),
            "limit": amounts_of(self.runtime, self.spec),
            "cgroups": [],
        }
        if self.runtime.image == "initramfs":
            self.host.files.write(self._bundle / "console.log", b"", 0o600)
            if (uid := self.host.hypervisor_uid) is not None:
                self.host.files.hand_over(self._bundle / "console.log", uid)
        values["limits"] = self._limit_flags(values)
        values["flags"] = [*self.spec.flags, *volume_flags(self.runtime, self.spec, values)]
        values["network"] = network_flags(self.runtime, self.spec, values)
        return values

    def _limit_flags(self, values: dict[str, object]) -> list[str]:
        flags, by_hand = limit_flags(self.runtime, self.spec, values)
        own_cgroups = self.runtime.own_cgroups and self.host.files.remembers  # they are made on this machine only
        if by_hand or own_cgroups:
            self._cgroups = make_cgroups(
                self.host.run.id,
                self.name,
                self.spec.limits.cgroup_settings(by_hand),
                before=lambda folder: self._undo_entries.append(self.host.run.made("cgroup", folder)),
                everywhere=own_cgroups,
            )
            values["cgroups"] = [part for directory in self._cgroups.dirs for part in ("--cgroup", str(directory))]
        return flags

    def _start(self) -> Stream:
        runtime = self.runtime
        self.engine.refuse_silent()
        if runtime.prepare:
            write_config(self.host, runtime, self._values, self.spec)
        for name, text in runtime.files.items():
            self.host.files.write(self._bundle / name, fill(text, self._values).encode(), 0o600)
        if delete := self.delete_argv():
            self._undo_entries.append(
                self.host.files.made_command(self.host.run, delete, self.host.remembered(runtime))
            )
        for before in runtime.before:
            self._run_before(render_argv(before, self._values, f"{runtime.name}: before"))
        argv = render_argv(runtime.create, self._values, f"{runtime.name}: create")
        env = {key: str(render_value(text, self._values, key)) for key, text in runtime.environment.items()}
        return self.host.start(argv, env or None, Path(runtime.folder) if runtime.folder else self._bundle)

    def _run_before(self, argv: list[str]) -> None:
        done = self.engine.run(argv, deadline("command"), inside=True)
        if done.status != 0:
            errors = done.stderr.decode("utf-8", "backslashreplace")
            symptom = symptom_in(self.runtime, errors)
            why, hint = (symptom.cause, symptom.mend) if symptom else (done.last_words, "")
            raise RefusedError(f"cannot start '{self.runtime.name}': {why}", hint, errors)

    def _connect(self, stream: Stream) -> Channel:
        try:
            locate = self.runtime.locate
            chosen = locate is not None and locate.is_chosen(os.environ)
            far = ".remote" if chosen or not self.host.files.remembers else ""
            seconds = deadline(f"hello.{self.runtime.kind}{far}")
            return Channel(stream, self.nonce, self.runtime.name, seconds, self.engine.check)
        except ChannelError as error:
            stream.kill()
            raise self._explain(error, stream) from None

    def _explain(self, error: ChannelError, stream: Stream) -> IsolationError:
        """Return why the probe did not answer: a known symptom, else the runtime's own last line."""
        errors = stream.errors().decode("utf-8", "backslashreplace")
        log = f"{errors}\n{self.console()}".strip()
        symptom = symptom_in(self.runtime, errors)
        if symptom is not None:
            return RefusedError(f"cannot start '{self.runtime.name}': {symptom.cause}", symptom.mend, log)
        console = last_line(self.console().encode())
        text = last_line(errors.encode()) or console
        if stream.wait(0) is not None and text:
            return RefusedError(f"cannot start '{self.runtime.name}': {text}", log=log)
        return IsolationError(error.what + (f" (its console ends: {console})" if console else ""), error.hint, log)

    def console(self) -> str:
        """Return the last 4,000 characters of a machine's console."""
        if self.runtime.image != "initramfs":
            return ""
        try:
            return self.host.files.read(self._bundle / "console.log")[-4000:].decode("utf-8", "backslashreplace")
        except IsolationError:
            return ""

    @property
    def warning(self) -> str:
        """The last line of the runtime's error stream so far."""
        return last_line(self._stream.errors()) if self._stream else ""

    def set_by(self, limit: str, amount: float) -> str:
        """
        Return what set one of its limits, in one line.

        Args:
            limit: the limit's name.
            amount: the limit's amount.
        """
        dirs = self._cgroups.dirs if self._cgroups else ()
        return what_set(self.runtime, limit, amount, self._values, dirs)

    @property
    def alive(self) -> bool:
        """Whether the channel to its probe is open."""
        return self.channel.alive

    def request(
        self, *argv: str, data: bytes | None = None, bound: int = 1 << 16, seconds: float | None = None
    ) -> Reply:
        """
        Send one request to the probe inside (docs/reference/protocol.md).

        Args:
            argv: the request and its arguments.
            data: the request's input.
            bound: the most bytes of output.
            seconds: the deadline; None for that of requests.
        """
        return self.channel.request(*argv, deadline=seconds or deadline("request"), bound=bound, data=data)

    @functools.cached_property
    def spare(self) -> Spare:
        """What the machine of its commands has to spare for a load, read once."""
        return read_spare(self._read_on_host)

    def _read_on_host(self, path: Path) -> str:
        try:
            return self.host.files.read(path).decode("utf-8", "replace")
        except IsolationError:
            return ""

    def inside(self, peer: Facts | None = None, own: Facts | None = None) -> Facts:
        """
        Return the subject's view of itself.

        Args:
            peer: the host's view of another sandbox's subject, which this one must not reach.
            own: the host's view of this subject; without it fewer processes of the host are tried.
        """
        # a runtime that claims no wall has nothing outside
        words = self.outer.canary_words[: 1 if self.runtime.boundary == "none" else None]
        numbers = peer.process.raw("nspid") if peer is not None else None
        if peer is not None and isinstance(numbers, list):  # in a shared pid namespace it has a further number
            words += [f"peer={number}:{peer.nonce}" for number in numbers]
        if self.runtime.boundary == "vmm":
            words.append("disks")
        else:
            words.append("nodes")
            if self.runtime.boundary != "none" and self.host.files.remembers:
                words += user_file_words()
        # other images are read before the start; a machine's whole file system is too large for one request
        machine = self.runtime.kind == "vm" and self.runtime.image == "none"
        if self.runtime.image in ("initramfs", "none") and not machine:
            words.append("files")
        with self.outer.canary_processes(own) as further:
            argv = ("facts", self.nonce, *words, *further)
            reply = self.channel.request(*argv, deadline=deadline("facts"), bound=FACTS_BYTES)
        return parse_facts(checked(reply, "facts", self.runtime.name), self.nonce)

    def image(self) -> ImageSeen | None:
        """Return the facts about its image before it was started; None if no image is made."""
        return self.host.image(self.runtime, self.spec.image)

    def outside(self) -> Facts | None:
        """Return the host's view of the subject; None if it is no process of the host, or no wall is claimed."""
        if self.runtime.boundary in ("vmm", "sentry"):
            return self.outer.outside_if_there(self.nonce)
        if self.runtime.boundary != "process":
            return None
        command = self._stream.pid if self._stream and self.host.here else None
        return self.host.outside(self.nonce, filters=True, command=command)

    def served_sockets(self) -> list[ServedSocket]:
        """Return the sockets on which processes of the host serve; none if its kernel is not the host's."""
        return self.host.served_sockets(self.nonce, self.nonce) if self.runtime.boundary == "process" else []

    def vmm(self) -> Facts | None:
        """Return the host's view of the hypervisor's or the sentry's process; None for another container."""
        if self.runtime.boundary == "sentry":
            return self.host.outside_pid(self.state_pid(), self.nonce, filters=True, holdings=True)
        if self.runtime.boundary != "vmm" or self._stream is None:
            return None
        pid = self._outer_host.vmm_pid if self._outer_host else self._stream.pid
        if pid is None:
            raise IsolationError(f"cannot look at the hypervisor of '{self.name}': its process is unknown")
        return self.outer.outside_pid(pid, self.nonce, filters=True, holdings=True)

    def exec_facts(self) -> Facts:
        """
        Return the view of a process that the runtime's own exec starts in it.

        Raises:
            IsolationError: the runtime has no exec, or the exec failed.
        """
        if self.runtime.exec is None:
            raise IsolationError(self.runtime.cannot.get("exec", f"'{self.runtime.name}' has no exec"))
        values = {**self._values, "argv": ["/probe", "facts", self.nonce]}
        argv = render_argv(self.runtime.exec, values, f"{self.runtime.name}: exec")
        done = self.engine.run(argv, deadline("exec"), inside=True)
        if done.status != 0:
            raise IsolationError(f"cannot exec in '{self.runtime.name}': {done.last_words}")
        return parse_facts(after_mark(done.stdout, self.nonce), self.nonce)

    def state_pid(self) -> int:
        """Return the pid that the runtime itself names as the sandbox's first process."""
        state = self.runtime.state
        if state is None:
            raise IsolationError(f"cannot ask '{self.runtime.name}' for a pid: it names none")
        answer = self._ask_state(state.argv)
        try:
            return int(json_at(json.loads(answer), state.pid))
        except (ValueError, TypeError):
            last = last_line(answer)
            raise IsolationError(f"cannot read the state of '{self.runtime.name}': {last}") from None

    def declared(self) -> Declared | None:
        """Return what it was to be, as its runtime tells it; None if the runtime does not tell."""
        state = self.runtime.state
        if self.runtime.declares is None or state is None:
            return None
        found = read_declaration(self.runtime, self._ask_state(state.argv), self.host.files)
        return None if found is None else with_shown(found, self.request)

    def _ask_state(self, argv: list[str]) -> bytes:
        done = self.engine.run(render_argv(argv, self._values, "state"), deadline("command"))
        if done.status != 0:
            raise IsolationError(f"cannot ask '{self.runtime.name}' for its state: {done.last_words}")
        return done.stdout

    def render(self, argv: list[str], **changed: str) -> list[str]:
        """Return one of the runtime's commands with this sandbox's values, some of them changed."""
        return render_argv(argv, {**self._values, **changed}, f"{self.runtime.name}: {argv[0] if argv else ''}")

    def delete_argv(self) -> list[str]:
        """Return the command that deletes it; [] if its runtime has none."""
        return self.render(self.runtime.delete or [])

    def close(self) -> None:
        """End it and remove all that it left; may be repeated."""
        stream, self._stream = self._stream, None
        ended: int | None = None
        if stream is not None:
            # nothing reads what a probe still sends that broke the protocol: it may never end by itself
            broken = hasattr(self, "channel") and self.channel.broken
            if self.runtime.kind == "container" and not broken:
                if hasattr(self, "channel"):
                    self.channel.end()
                stream.end_input()  # it ends the probe, and with it the sandbox
                ended = self.engine.wait(stream, deadline("close"))
            stream.kill()
        # a sandbox may go on when its client is killed
        removed = (ended == 0 and not self.runtime.before) or self._delete()
        if self._cgroups is not None:
            self._cgroups.delete()
            self._cgroups = None
        if removed:
            for record in self._undo_entries:
                self.host.run.gone(record)
        self._undo_entries.clear()
        with contextlib.suppress(IsolationError):  # the run deletes its whole folder at its end
            self.host.files.delete(self._bundle)

    def _delete(self) -> bool:
        """Let the runtime delete it; False if the outcome is unknown, so that the run's end tries again."""
        argv = self.delete_argv() if self._undo_entries and self._values else []  # without them, nothing was started
        if not argv:
            return True
        with contextlib.suppress(IsolationError):
            return self.engine.delete(argv).status >= 0  # else a signal ended it
        return False

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
