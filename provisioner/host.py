"""Where sandboxes are made: a connection, the host's own probe, and what was imported for this run.

In: a Connection, a Run (journal), the built probe.  Out: the host's facts, the outside view of any sandbox, and the
values that templates need.  Called by sandbox.py and pytest_isolation's pool.  Creates no sandbox itself.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path

from provisioner.accelerator import accelerator
from provisioner.artifacts import image
from provisioner.artifacts.kernel import guest_kernel
from provisioner.cgroups import PREFIX, cgroup_mode, delete_cgroup
from provisioner.connection import Connection, Stream
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.journal import Run
from provisioner.mounts import read_mounts
from provisioner.paths import cache_dir, run_dir, state_dir
from provisioner.probe.build import BuiltProbe
from provisioner.sandboxes.channel import Channel, Reply
from provisioner.sandboxes.facts import Facts, parse_facts
from provisioner.sandboxes.runtime import Runtime, render_argv, symptom_in
from provisioner.undo import Record

FACTS_BYTES = 1 << 20
CAP_SYS_RESOURCE = 24
UNPRIVILEGED = 65534  # nobody: runtimes that need no root get none, also when root starts them


class Host:
    """
    A host and this run's things on it.

    Args:
        connection: where commands run.
        run: the journal of this run.
        probe: the program that answers for the host and goes into the images.
        kernel: a guest kernel that the user named, else None.
    """

    def __init__(self, connection: Connection, run: Run, probe: BuiltProbe, kernel: Path | None = None) -> None:
        self.connection = connection
        self.run = run
        self.probe = probe
        self.nonce = secrets.token_hex(8)
        self.directory = run_dir() / run.id
        self._records = [run.made("path", self.directory)]
        self.directory.mkdir(mode=0o711)
        self.directory.chmod(0o711)  # mapped ids traverse it, whatever the umask
        # runtimes leave the parents of the cgroups that they made
        self._cgroups = [
            mount.target / f"{PREFIX}{run.id}" for mount in read_mounts() if mount.fstype.startswith("cgroup")
        ]
        self._records += [run.made("cgroup", folder) for folder in self._cgroups]
        self._kernel = kernel
        self._lock = threading.Lock()
        self._prepared: dict[str, tuple[threading.Lock, dict[str, object]]] = {}
        self._forget: list[tuple[list[str], Record]] = []
        self._streams: list[Stream] = []
        self._aborted = False
        self._stream = connection.start([str(probe.path), "serve", self.nonce])
        try:
            self._channel = Channel(self._stream, self.nonce, connection.name, deadline("hello.container"))
            self.facts = self._ask("facts", self.nonce, view_nonce=self.nonce)
        except BaseException:
            self._stream.kill()
            raise

    @property
    def pid(self) -> int:
        """The host's probe: a process outside every sandbox, so it serves as the canary too."""
        return self._stream.pid

    @property
    def facts_for_templates(self) -> Mapping[str, object]:
        """What runtime.yaml may ask of the host, as `host.*`."""
        root = os.geteuid() == 0
        return {
            "root": root,
            "unprivileged_uid": UNPRIVILEGED if root else None,
            "sys_resource": bool(self.facts.process.capabilities.effective >> CAP_SYS_RESOURCE & 1),
            "cgroup": cgroup_mode(),
            "machine": self.facts.system.kernel.machine if self.facts.system else "",
        }

    def outside(self, nonce: str) -> Facts:
        """Look at the subject that serves `nonce`, from here."""
        return self._ask("outside", nonce, nonce, view_nonce=nonce)

    def outside_pid(self, pid: int, nonce: str) -> Facts:
        """Look at one process, from here."""
        return self._ask("outside", nonce, f"pid:{pid}", view_nonce=nonce)

    def _ask(self, *argv: str, view_nonce: str) -> Facts:
        reply = self._channel.request(*argv, deadline=deadline("outside"), bound=FACTS_BYTES)
        return parse_facts(checked(reply, argv[0], self.connection.name), view_nonce)

    def values(self, runtime: Runtime) -> dict[str, object]:
        """
        Return what this runtime's templates may name, its image made and imported once for this run.

        Raises:
            IsolationError: the image could not be made or imported.
        """
        key = f"{runtime.name}/{runtime.conditions}"
        with self._lock:
            lock, values = self._prepared.setdefault(key, (threading.Lock(), {}))
        with lock:
            if not values:
                values.update(self._prepare(runtime))
        return dict(values)

    def _prepare(self, runtime: Runtime) -> dict[str, object]:
        state = state_dir() / runtime.name
        if runtime.image == "archive" or runtime.prepare:
            state.mkdir(mode=0o711, exist_ok=True)
        values: dict[str, object] = {
            "run": self.run.id,
            "probe": str(self.probe.path),
            "state": str(state),
            "image": f"localhost/isolation-probe:{self.run.id}",
            "host": self.facts_for_templates,
        }
        for name, argv in runtime.define.items():
            values[name] = render_argv(argv, values, f"{runtime.name}: define.{name}")
        if runtime.image == "archive":
            archive = self.directory / f"{runtime.name}.tar"
            image.archive(self.probe.path, str(values["image"]), archive)
            values["archive"] = str(archive)
        elif runtime.image == "rootfs":
            rootfs = cache_dir() / f"rootfs-{self.probe.hash}"
            image.rootfs(self.probe.path, rootfs)
            values["rootfs"] = str(rootfs)
        elif runtime.image == "initramfs":
            path = cache_dir() / f"initramfs-{self.probe.hash}.cpio"
            if not path.exists():
                image.initramfs(self.probe.path, path)
            values["initramfs"] = str(path)
            values["kernel"] = str(guest_kernel(self._kernel))
            chosen = accelerator()
            values["accelerator"] = chosen.name
        if runtime.import_:
            self._import(runtime, values)
        return values

    def _import(self, runtime: Runtime, values: Mapping[str, object]) -> None:
        assert runtime.import_ is not None
        forget = render_argv(runtime.forget or [], values, f"{runtime.name}: forget")
        record = self.run.made("command", forget, remembered(runtime)) if forget else None
        argv = render_argv(runtime.import_, values, f"{runtime.name}: import")
        done = self.connection.run(argv, deadline("import"))
        if done.status == 0:
            if record is not None:
                self._forget.append((forget, record))
            return
        if record is not None:
            self.run.gone(record)  # nothing was imported
        said = done.stderr.decode("utf-8", "backslashreplace")
        symptom = symptom_in(runtime, said)
        cause, hint = (symptom.cause, symptom.mend) if symptom else (done.last_words, "")
        raise IsolationError(f"cannot start '{runtime.name}': {cause}", hint, said)

    def start(self, argv: list[str], env: Mapping[str, str] | None, cwd: Path) -> Stream:
        """
        Start a sandbox's command; `abort` ends it also when its creation is still under way.

        It starts in the sandbox's own folder: conmon 2.1 leaves a file `oom` where podman was started.
        """
        stream = self.connection.start(argv, env, str(cwd))
        with self._lock:
            self._streams.append(stream)
            late = self._aborted
        if late:
            stream.kill()
            raise IsolationError(f"cannot run '{argv[0]}': this run was ended")
        return stream

    def abort(self) -> None:
        """End every command that was started here, and all that will be, so that nobody waits for one any longer."""
        with self._lock:
            self._aborted = True
            streams = list(self._streams)
        for stream in streams:
            stream.kill()

    def close(self) -> None:
        """Take away the imported images, the cgroups' parents and the run's folder, and end the host's probe."""
        for argv, record in self._forget:
            if self.connection.run(argv, deadline("command")).status == 0:
                self.run.gone(record)
        self._forget.clear()
        self._stream.end_input()
        self._stream.wait(deadline("close"))
        self._stream.kill()
        for folder in self._cgroups:
            delete_cgroup(folder)
        shutil.rmtree(self.directory, ignore_errors=True)
        for record in self._records:
            self.run.gone(record)


def remembered(runtime: Runtime) -> dict[str, str]:
    """Return the variables that a client needs to find its daemon again, for the journal's undo."""
    return {name: os.environ[name] for name in runtime.remember if name in os.environ}


def checked(reply: Reply, verb: str, name: str) -> bytes:
    """Return a reply's bytes, or say in one line why the verb failed."""
    if reply.ok:
        return reply.data
    said = reply.log.decode("utf-8", "backslashreplace").strip().splitlines()
    raise IsolationError(f"cannot get '{verb}' from '{name}': {said[-1][:300] if said else reply.ended}")
