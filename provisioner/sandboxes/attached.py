"""Looks at a sandbox that this run did not make, and does not change it.

In: a Host, a Runtime with `attach`, a name.  Out: `Attached`, which has the views of a `Sandbox`.
Nothing of it is in the journal, and nothing here starts, stops or deletes it.  Only the runtime's own exec of the probe
runs in it.  The probe is passed as an open descriptor (`probe launch --memfd-exec`), so no file is written.  Seccomp
filters are not read, because that would stop the processes.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path, PurePosixPath

from provisioner.deadlines import deadline
from provisioner.errors import IsolationError, unless_root
from provisioner.facts.document import Facts, parse_facts
from provisioner.facts.image import ImageSeen
from provisioner.facts.namespaces import NAMESPACES
from provisioner.facts.process import Cgroup
from provisioner.facts.served_sockets import ServedSocket
from provisioner.hosts.host import Host
from provisioner.linux.mounts import MountPoint, read_mounts
from provisioner.observed import Unobserved
from provisioner.probe.exec_output import after_mark
from provisioner.runtimes.declared import Declared
from provisioner.runtimes.engine import Engine
from provisioner.runtimes.render import render_argv
from provisioner.runtimes.runtime import Runtime, symptom_in
from provisioner.runtimes.settings import json_at
from provisioner.sandboxes.declaration import ask_from_outside, read_declaration, with_shown

MEMFD_PATH = "/proc/self/fd/3"
MEMFD_FD = 3  # probe/start/start.h: MEMFD_FD and MEMFD_NAME
MEMFD_LINK = "/memfd:isolation-probe"
ELSEWHERE = "its daemon is not on this machine"
THERE = "run pytest on the machine of the daemon"
UNTOUCHED = "not tried, for it would touch the sandbox"  # probe/system/parts.h

# A process of this host without a runtime.
BARE = Runtime.model_validate(
    {
        "name": "pid",
        "title": "a process of this host",
        "kind": "container",
        "class": "container",
        "boundary": "process",
        "create": [],
        "network": {},
        "install": "",
        "cannot": {"attach.exec": "a bare process has no runtime with an exec", "fresh": "what made it is unknown"},
    }
)


@dataclass(frozen=True)
class AttachTarget:
    """
    A sandbox that the user named.

    Attributes:
        runtime: the runtime that made it; BARE for a process without one.
        name: its name there, or the pid.
        at: the runtime's state folder, "" for the default.
    """

    runtime: Runtime
    name: str
    at: str = ""

    @property
    def id(self) -> str:
        """The target's id: "docker:web"."""
        options = [self.runtime.conditions.get(key, "default") for key in ("variant", "option")]
        variant, option = ("" if one == "default" else one for one in options)
        base = f"{self.runtime.name}-{variant}" if variant else self.runtime.name
        return f"{base}+{option}:{self.name}" if option else f"{base}:{self.name}"


class Attached:
    """
    A running sandbox that this run did not make.

    Args:
        host: the host that it runs on: this machine.
        named: the sandbox.

    Raises:
        IsolationError: it does not exist or run, or this user may not look at it.
    """

    def __init__(self, host: Host, named: AttachTarget) -> None:
        self.host = self.outer = host
        self.provider = ""
        self.runtime = named.runtime
        self.oci = ""  # the name of the OCI runtime that made it
        self.nonce = secrets.token_hex(8)
        self._named = named
        self._values = {"name": named.name, "at": named.at}
        self._state = b""  # what the runtime tells of it
        self._container: str | None = None  # its id, if a daemon made it
        self.pid = self._find()
        self._seen = self._look()

    def _find(self) -> int:
        attach = self.runtime.attach
        if attach is None:
            return int(self._named.name)
        if self._named.at and not Path(self._named.at).is_dir():
            raise self._error(f"there is no folder '{self._named.at}'")
        engine = Engine(self.runtime, self.host.connection)
        engine.refuse_other(self._values)
        done = engine.run(render_argv(attach.state, self._values, "attach.state"), deadline("command"))
        if done.status != 0:
            said = done.stderr.decode("utf-8", "backslashreplace")
            symptom = symptom_in(self.runtime, said)
            raise self._error(*((symptom.cause, symptom.mend) if symptom else (done.last_words,)))
        pid = pid_in(done.stdout, attach.pid)
        if not pid:
            raise self._error("it does not run")
        self._state = done.stdout
        self._container = text_in(done.stdout, attach.id) if attach.id else None
        self.oci = PurePosixPath(text_in(done.stdout, attach.oci)).name if attach.oci else ""
        return pid

    def _look(self) -> Facts:
        if not Path(f"/proc/{self.pid}").exists():
            if self._container is not None:
                raise self._error(f"it has ended, or {ELSEWHERE}: no process {self.pid} is here", THERE)
            raise self._error("there is no such process" if self.runtime.name == BARE.name else "it has ended")
        try:
            facts = self.host.outside_pid(self.pid, self.nonce)
        except IsolationError as error:
            raise self._error(error.what) from None
        seen = [facts.process.namespaces.raw(name) for name in NAMESPACES]
        if not any(isinstance(one, int) for one in seen):
            why = next((one.unobserved for one in seen if isinstance(one, Unobserved)), "")
            if why in ("EACCES", "EPERM"):
                raise self._error(
                    f"this user may not look at process {self.pid}",
                    unless_root("run as root", "ptrace(2) needs CAP_SYS_PTRACE"),
                )
            raise self._error("it has ended")
        if self._container is not None and not belongs_to(facts, self._container):
            raise self._error(f"{ELSEWHERE}: process {self.pid} here is another one", THERE)
        return facts

    def _error(self, why: str, hint: str = "") -> IsolationError:
        return IsolationError(f"cannot attach to '{self._named.id}': {why}", hint)

    def outside(self) -> Facts:
        """Return the host's view of its first process."""
        return self._seen

    def declared(self) -> Declared | None:
        """Return what it was to be, as its runtime tells it; None if the runtime does not tell."""
        found = read_declaration(self.runtime, self._state, self.host.files) if self._state else None
        return found and with_shown(found, partial(ask_from_outside, self.host.connection, self.pid))

    def served_sockets(self) -> list[ServedSocket]:
        """Return the sockets on which processes of the host serve."""
        return self.host.served_sockets(f"pid:{self.pid}", self.nonce)

    def vmm(self) -> None:
        """Return None: it has no hypervisor."""

    def image(self) -> ImageSeen:
        """
        Raise: its image could not be read before it was started.

        Raises:
            IsolationError: always.  Mounts that were made since hide the image's own files.
        """
        raise IsolationError("its image could not be read before it was started")

    def inside(self, peer: Facts | None = None, own: Facts | None = None) -> Facts:
        """
        Return the view of a process that the runtime's own exec starts in it.  The exec runs once.

        Args:
            peer: ignored; an attached sandbox has no peer.
            own: ignored; its outside view is known.

        Raises:
            IsolationError: the runtime has no exec that passes the probe on, or the exec failed.
        """
        if isinstance(self._inside, IsolationError):
            raise self._inside
        return self._inside

    def exec_facts(self) -> Facts:
        """Return the same as `inside`, which is the view of an exec'd process."""
        return self.inside()

    @cached_property
    def _inside(self) -> Facts | IsolationError:
        try:
            return self._exec()
        except IsolationError as error:
            return error

    def _exec(self) -> Facts:
        attach = self.runtime.attach
        if attach is None or attach.exec is None:
            raise IsolationError(self.runtime.cannot["attach.exec"])
        cgroups = cgroup_folders(self._seen, read_mounts())
        if is_frozen(cgroups):
            raise IsolationError("it is paused: what is started in it does not run")
        left = [folder / name for folder in cgroups for name in attach.leaves]
        before = [folder for folder in left if folder.exists()]
        argv = ["facts", self.nonce, *self.outer.canary_words, "untouched", "nodes", "files"]
        launch = [str(self.host.probe_path), "launch", "--memfd-exec", "--"]
        try:
            with self.outer.canary_processes(self._seen) as words:
                values = {**self._values, "argv": [MEMFD_PATH, *argv, *words]}
                done = self.host.connection.run(
                    [*launch, *render_argv(attach.exec, values, "attach.exec")], deadline("exec"), inside=True
                )
        finally:
            for folder in left:
                if folder not in before:
                    with contextlib.suppress(OSError):  # not created, or another exec is in it
                        folder.rmdir()
        if done.status != 0:
            raise IsolationError(f"cannot exec the probe in '{self._named.id}': {done.last_words}")
        return without_handed(parse_facts(after_mark(done.stdout, self.nonce), self.nonce))


def pid_in(answer: bytes, pointer: str) -> int:
    """Return the pid at a JSON pointer into a runtime's answer, 0 if there is none."""
    try:
        return int(json_at(json.loads(answer), pointer))
    except (ValueError, TypeError):
        return 0


def text_in(answer: bytes, pointer: str) -> str:
    """Return the text at a JSON pointer into a runtime's answer, "" if there is none."""
    try:
        found = json_at(json.loads(answer), pointer)
    except ValueError:
        return ""
    return found if isinstance(found, str) else ""


def belongs_to(facts: Facts, container: str) -> bool:
    """
    Whether a process is in the container of this id: the path of a cgroup of it, or of a mount, names the id.

    The daemon may be on another machine, where its number is that of another process.

    Args:
        facts: the host's view of the process.
        container: the engine's id of the container, 64 random digits.
    """
    cgroups, mounts = facts.process.raw("cgroups"), facts.process.raw("mounts")
    paths = [] if isinstance(cgroups, Unobserved) else [line.path for line in cgroups]
    paths += [] if isinstance(mounts, Unobserved) else [mount.root for mount in mounts]
    return bool(container) and any(container in path for path in paths)


def without_handed(facts: Facts) -> Facts:
    """Return the facts without the descriptor that `probe launch --memfd-exec` added."""
    fds = facts.process.raw("fds")
    if isinstance(fds, Unobserved):
        return facts
    kept = [fd for fd in fds if fd.fd != MEMFD_FD or not fd.target.startswith(MEMFD_LINK)]
    return facts.model_copy(update={"process": facts.process.model_copy(update={"fds": kept})})


def cgroup_folders(facts: Facts, mounts: Sequence[MountPoint]) -> list[Path]:
    """Return the folders of a process's cgroups, without those that are not mounted here."""
    lines = facts.process.raw("cgroups")
    found = [] if isinstance(lines, Unobserved) else [_folder(line, mounts) for line in lines]
    return [folder for folder in found if folder is not None and folder.is_dir()]


def _folder(line: Cgroup, mounts: Sequence[MountPoint]) -> Path | None:
    for mount in mounts:
        v2 = mount.fstype == "cgroup2" and not line.controllers
        v1 = mount.fstype == "cgroup" and line.controllers and set(line.controllers) <= set(mount.options)
        if (v1 or v2) and os.path.isabs(line.path):
            below = line.path.removeprefix(mount.root) if mount.root != "/" else line.path
            return Path(f"{mount.target}/{os.path.normpath(below).lstrip('/')}")
    return None


def is_frozen(cgroups: Sequence[Path]) -> bool:
    """Return whether any of these cgroups is frozen (cgroup-v1/freezer-subsystem.rst, cgroup-v2.rst cgroup.events)."""
    for folder in cgroups:
        for name, words in (("freezer.state", ("FROZEN", "FREEZING")), ("cgroup.events", ("frozen 1",))):
            with contextlib.suppress(OSError):
                if any(line.strip() in words for line in (folder / name).read_text("utf-8").splitlines()):
                    return True
    return False
