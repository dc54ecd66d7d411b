"""A run on one host: the host's own probe, the images and cgroups of the run, the outside view of sandboxes.

In: HostFiles, a Run (journal), the built probe.  Out: the host's facts, facts about any process there, and the values
that templates need.  No sandbox is created here.
"""

from __future__ import annotations

import contextlib
import copy
import secrets
import threading
from collections.abc import Mapping
from pathlib import Path

from provisioner.connection.local import ConnectionLost, Stream
from provisioner.deadlines import deadline
from provisioner.errors import IsolationError
from provisioner.facts.image import ImageSeen, parse_image
from provisioner.hosts.canaries import Canaries
from provisioner.hosts.files_local import HostFiles
from provisioner.hosts.image_store import UNPRIVILEGED, ImageMaker
from provisioner.hosts.outside import FACTS_BYTES, OutsideView, checked
from provisioner.hosts.runtime_images import ImageName, RuntimeImages, remembered
from provisioner.images.image import Image
from provisioner.journal.run import Run
from provisioner.linux.cgroups import PREFIX, Mode, mode_of
from provisioner.paths import PASSABLE
from provisioner.probe.build import BuiltProbe
from provisioner.runtimes.runtime import Runtime

CAP_SYS_RESOURCE = 24


class Host(OutsideView):
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
        self._aborted = threading.Event()
        self.probe_path = files.install_probe(probe)
        self._images = RuntimeImages(
            files, run, maker, self.probe_path, self.directory, lambda: self.facts_for_templates
        )
        nonce = secrets.token_hex(8)
        stream = self.connection.start([str(self.probe_path), "serve", nonce])
        super().__init__(self.connection.name, stream, nonce, deadline("hello.container"))
        try:
            self.canaries = Canaries(files, run, self._channel, self.probe_path, self.directory)
        except BaseException:
            stream.kill()
            raise

    def _read_words(self, path: Path) -> list[str]:
        try:
            return self.files.read(path).decode("utf-8", "replace").split()
        except IsolationError:
            return []

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
            late = self._aborted.is_set()
        if late:
            stream.kill()
            raise IsolationError(f"cannot run '{argv[0]}': this run was aborted")
        return stream

    def seen_by(self, view: OutsideView, cgroup_mode: Mode) -> Host:
        """
        Return this host, whose commands and images stay, with another outside view.

        Args:
            view: the view of the machine on which the runtime's daemon makes sandboxes.
            cgroup_mode: that of the machine.
        """
        seen = copy.copy(self)
        vars(seen).update(vars(view))
        seen.cgroup_mode = cgroup_mode
        seen.here = view.here
        return seen

    def abort(self) -> None:
        """Kill every command started by `start`, and each that is started later, so that nothing waits for one."""
        with self._lock:
            self._aborted.set()
            streams = list(self._streams)
        for stream in streams:
            stream.kill()

    def close(self) -> None:
        """
        Delete the imported images, the canaries, the cgroups and the run's folder, and end the host's probe.

        If the connection is lost, what is left stays in the journal; a machine that was rolled back has nothing left.
        """
        self._images.forget()
        self.close_view()
        with contextlib.suppress(ConnectionLost):
            self.files.delete_cgroups(self._cgroups)
            deleted = self.files.delete(self.directory)
            self._images.close()
            for entry in self._entries if deleted else self._entries[1:]:  # the first is the folder's
                self.run.gone(entry)
