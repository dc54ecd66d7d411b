"""A run on one host: the host's own probe, the images and cgroups of the run, the outside view of sandboxes.

In: HostFiles, a Run (journal), the built probe.  Out: the host's facts, facts about any process there, and the values
that templates need.  No sandbox is created here.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path

from provisioner.connection.local import ConnectionLost, Stream, last_line
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts.document import Facts, parse_facts
from provisioner.facts.image import ImageSeen, parse_image
from provisioner.facts.served_sockets import ServedSocket, parse_sockets
from provisioner.faults.explain import hint_in
from provisioner.hosts.canaries import Canaries
from provisioner.hosts.canary_processes import canary_processes
from provisioner.hosts.files_local import HostFiles
from provisioner.hosts.image_store import UNPRIVILEGED, ImageMaker
from provisioner.hosts.runtime_images import ImageName, RuntimeImages, remembered
from provisioner.images.image import Image
from provisioner.journal.run import Run
from provisioner.linux.cgroups import PREFIX, Mode, mode_of
from provisioner.paths import PASSABLE
from provisioner.probe.build import BuiltProbe
from provisioner.probe.channel import Channel
from provisioner.probe.request import Reply
from provisioner.runtimes.runtime import Runtime

FACTS_BYTES = 1 << 20
NOT_THERE = "no process serves"  # probe/process/subject.c
CAP_SYS_ADMIN = 21
CAP_SYS_RESOURCE = 24


class Host:
    """
    A host, and what this run makes on it.  Close it at the end of the run.

    Args:
        files: the host's files and its connection.
        run: the journal of this run.
        probe: the built probe; it serves on the host and goes into the images.
        kernel: the guest's kernel that the user named, or None.

    Raises:
        IsolationError: the host cannot be used: its probe does not answer, or a folder or a canary cannot be made.

    Attributes:
        default_configs: what commands that write a runtime's default config have written, by command, as JSON.
    """

    def __init__(self, files: HostFiles, run: Run, probe: BuiltProbe, kernel: Path | None = None) -> None:
        self.files = files
        self.connection = files.connection
        self.run = run
        self.probe = probe
        self.nonce = secrets.token_hex(8)
        self.default_configs: dict[tuple[str, ...], str] = {}
        self.directory = files.run / run.id
        self._entries = [files.made_folder(run, self.directory)]
        files.make_folder(self.directory, PASSABLE)  # mapped ids must be able to search it
        mounts = files.mounts()
        self.cgroup_mode: Mode = mode_of(mounts, self._read_words)
        # runtimes do not delete the parents of the cgroups that they make
        self._cgroups = [mount.target / f"{PREFIX}{run.id}" for mount in mounts if mount.fstype.startswith("cgroup")]
        self._entries += files.made_cgroups(run, self._cgroups)
        maker = ImageMaker(files, run, probe, self.directory, kernel, self._look_at)
        self._lock = threading.Lock()
        self._streams: list[Stream] = []
        self._aborted = False
        self.probe_path = files.install_probe(probe)
        self._images = RuntimeImages(files, run, maker, self.probe_path, lambda: self.facts_for_templates)
        self._stream = self.connection.start([str(self.probe_path), "serve", self.nonce])
        try:
            self._channel = Channel(self._stream, self.nonce, self.connection.name, deadline("hello.container"))
            self.facts = self.look()
            self._canaries = Canaries(files, run, self._channel, self.probe_path, self.directory)
        except BaseException:
            self._stream.kill()
            raise

    def _read_words(self, path: Path) -> list[str]:
        try:
            return self.files.read(path).decode("utf-8", "replace").split()
        except IsolationError:
            return []

    @property
    def pid(self) -> int:
        """The pid of the host's probe: a process outside of every sandbox, also the canary process."""
        return self._stream.pid

    @property
    def canary_words(self) -> list[str]:
        """Arguments of the verb `facts` that name what a sandbox must not reach: first a process, then IPC objects."""
        return [f"canary={self.pid}:{self.nonce}", f"objects={self._canaries.words}"]

    def canary_processes(self, seen: Facts | None) -> contextlib.AbstractContextManager[list[str]]:
        """
        Start processes that a sandbox must not look into: `hosts/canary_processes.py`.

        Args:
            seen: this host's view of the sandbox's first process; None: start none.
        """
        return contextlib.nullcontext([]) if seen is None else canary_processes(self._channel, seen.process, self.nonce)

    def moved(self) -> list[str]:
        """Return one line for each canary that changed since this run began."""
        return self._canaries.moved()

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

    @property
    def hypervisor_uid(self) -> int | None:
        """The user that the hypervisor of a micro VM runs as; None for this one."""
        return UNPRIVILEGED if self.is_root else None

    @property
    def facts_for_templates(self) -> Mapping[str, object]:
        """The values of `host.*` in runtime.yaml."""
        return {
            "root": self.is_root,
            "unprivileged_uid": self.hypervisor_uid,
            "sys_resource": bool(self.facts.process.capabilities.effective >> CAP_SYS_RESOURCE & 1),
            "sys_admin": self.sys_admin,
            "cgroup": self.cgroup_mode,
            "machine": self.facts.system.kernel.machine if self.facts.system else "",
        }

    def look(self) -> Facts:
        """Return the host's facts as they are now; `facts` holds those of the run's start."""
        return self._ask("facts", self.nonce, view_nonce=self.nonce)

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
        return parse_sockets(checked(reply, "served_sockets", self.connection.name), nonce)

    def _ask(self, *argv: str, view_nonce: str) -> Facts:
        reply = self._channel.request(*argv, deadline=deadline("outside"), bound=FACTS_BYTES)
        return parse_facts(checked(reply, argv[0], self.connection.name), view_nonce)

    def _look_at(self, folder: Path) -> ImageSeen:
        argv = ("image", self.nonce, str(folder))
        reply = self._channel.request(*argv, deadline=deadline("outside"), bound=FACTS_BYTES)
        return parse_image(checked(reply, argv[0], self.connection.name), self.nonce)

    def values(self, runtime: Runtime, image: ImageName | Image = "probe") -> dict[str, object]:
        """Return the values for a runtime's templates: `RuntimeImages.values`."""
        return self._images.values(runtime, image)

    def image(self, runtime: Runtime, image: ImageName | Image = "probe") -> ImageSeen | None:
        """Return the facts about an image of this runtime: `RuntimeImages.image`."""
        return self._images.image(runtime, image)

    def remembered(self, runtime: Runtime) -> dict[str, str]:
        """Return the variables by which a client finds its daemon, for the journal's commands."""
        return remembered(self.files, runtime)

    def start(self, argv: list[str], env: Mapping[str, str] | None, cwd: Path) -> Stream:
        """
        Start a sandbox's command; `abort` kills it even while the sandbox is being created.

        Args:
            argv: the command.
            env: variables added to the environment.
            cwd: its working directory, the sandbox's folder: conmon 2.1 leaves a file `oom` there.

        Raises:
            IsolationError: it cannot be started, or the run was aborted.
        """
        stream = self.connection.start(argv, env, str(cwd))
        with self._lock:
            self._streams.append(stream)
            late = self._aborted
        if late:
            stream.kill()
            raise IsolationError(f"cannot run '{argv[0]}': this run was aborted")
        return stream

    def abort(self) -> None:
        """Kill every command started by `start`, and each that is started later, so that nothing waits for one."""
        with self._lock:
            self._aborted = True
            streams = list(self._streams)
        for stream in streams:
            stream.kill()

    def close(self) -> None:
        """
        Delete the imported images, the canaries, the cgroups and the run's folder, and end the host's probe.

        If the connection is lost, what is left stays in the journal; a machine that was rolled back has nothing left.
        """
        self._images.forget()
        self._canaries.close()
        self._stream.end_input()
        with contextlib.suppress(ConnectionLost):
            self._stream.wait(deadline("close"))
        self._stream.kill()
        with contextlib.suppress(ConnectionLost):
            self.files.delete_cgroups(self._cgroups)
            deleted = self.files.delete(self.directory)
            self._images.close()
            for entry in self._entries if deleted else self._entries[1:]:  # the first is the folder's
                self.run.gone(entry)


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
